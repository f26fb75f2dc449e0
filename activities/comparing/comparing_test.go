package comparing_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/activities/comparing"
	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/operator/extract"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

// TestCompare: two backups of a share, each with its own key; no secret is in what comes of it, and
// the keys of one backup open no other.
func TestCompare(t *testing.T) {
	k := repositorytest.New(t, 11)
	user := func(title string) func(w *archive.Writer) error {
		return func(w *archive.Writer) error {
			r := record.Record{DN: "CN=Ana,DC=corp", GUID: "00000001-0000-4000-8000-000000000000", NamingContext: "DC=corp", Attributes: []record.Attribute{
				{Name: "objectClass", Values: [][]byte{[]byte("user")}}, {Name: "title", Values: [][]byte{[]byte(title)}}, {Name: "unixUserPassword", Values: [][]byte{[]byte("canary " + title)}},
			}}
			return w.Record(backup.Item{Kind: record.Kind, ID: r.GUID, Name: r.DN}, r.AppendJSON(nil))
		}
	}
	for _, title := range []string{"one", "two"} {
		k.Fill = user(title)
		k.BackUp()
	}
	steps := 0
	trusted := k.Signers
	a := comparing.Activities{
		Repository: func(context.Context) (*repository.Repository, []byte, error) { return k.Repo, trusted, nil },
		Step:       func(context.Context) { steps++ },
	}
	var first seal.Identity
	in := diffs.Input{Instance: k.Repo.Files().Instance(), RequestedBy: "anna"}
	for i, side := range []*diffs.Side{&in.A, &in.B} {
		b, err := k.Repo.Open(t.Context(), backup.Ref{ID: k.Live[i].ID})
		require.NoError(t, err)
		key, err := extract.Unlock(t.Context(), b, k.IDs)
		require.NoError(t, err)
		if i == 0 {
			first = key
		}
		*side = diffs.Side{BackupID: k.Live[i].ID, Key: secret.NewTransfer(key.Text())}
	}
	out, err := a.Compare(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []any{"anna", false}, []any{out.RequestedBy, out.Report.Same})
	require.EqualValues(t, 1, out.Summary().Changed)
	require.Positive(t, steps)
	text, err := json.Marshal(out)
	require.NoError(t, err)
	require.Contains(t, string(text), `"title"`)
	require.NotContains(t, string(text), "canary")

	in.A.Key, in.B.Key = in.B.Key, in.A.Key
	_, err = a.Compare(t.Context(), in)
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
	in.A.Key, in.B.Key = in.B.Key, secret.NewTransfer(secret.New("no key"))
	_, err = a.Compare(t.Context(), in)
	require.ErrorIs(t, err, fault.RequestRefused)
	k.Fill = func(w *archive.Writer) error {
		for n := range 40_001 {
			if err := w.Record(backup.Item{Kind: record.Kind, ID: fmt.Sprint(n), Name: fmt.Sprint(n)}, []byte("{}")); err != nil {
				return err
			}
		}
		return nil
	}
	k.BackUp()
	large, err := k.Repo.Open(t.Context(), backup.Ref{ID: k.Live[2].ID})
	require.NoError(t, err)
	key, err := extract.Unlock(t.Context(), large, k.IDs)
	require.NoError(t, err)
	in.A.Key, in.B = secret.NewTransfer(first.Text()), diffs.Side{BackupID: k.Live[2].ID, Key: secret.NewTransfer(key.Text())}
	_, err = a.Compare(t.Context(), in)
	require.ErrorIs(t, err, fault.LimitExceeded, "it would cost the worker its memory")
	require.Contains(t, err.Error(), "40001 items")
	in.Services = []backup.Service{backup.CA}
	_, err = a.Compare(t.Context(), in)
	require.NotErrorIs(t, err, fault.LimitExceeded, "what is not compared does not count")

	trusted = repositorytest.New(t, 12).Signers
	_, err = a.Compare(t.Context(), in)
	require.Error(t, err, "what no trusted key signed is not compared")
}
