package comparing_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/comparing"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
)

// fill writes users; each has the given title.
func fill(titles ...string) func(w *archive.Writer) error {
	return func(w *archive.Writer) error {
		for i, title := range titles {
			r := record.Record{DN: "CN=" + string(rune('a'+i)) + ",DC=corp", GUID: "0000000" + string(rune('0'+i)) + "-0000-4000-8000-000000000000", NamingContext: "DC=corp", Attributes: []record.Attribute{
				{Name: "objectClass", Values: [][]byte{[]byte("user")}}, {Name: "title", Values: [][]byte{[]byte(title)}},
			}}
			if err := w.Record(backup.Item{Kind: record.Kind, ID: r.GUID, Name: r.DN}, r.AppendJSON(nil)); err != nil {
				return err
			}
		}
		return nil
	}
}

func open(t *testing.T, k *repositorytest.Fixture, b *repositorytest.Backup, signed bool) *repository.Backup {
	t.Helper()
	var opened *repository.Backup
	var err error
	if signed {
		opened, err = k.Repo.OpenSigned(t.Context(), backup.Ref{ID: b.ID}, k.Signers)
	} else {
		opened, err = k.Repo.Open(t.Context(), backup.Ref{ID: b.ID})
	}
	require.NoError(t, err)
	return opened
}

func TestRun(t *testing.T) {
	k := repositorytest.New(t, 7)
	k.Fill = fill("one", "two")
	first := k.BackUp()
	k.Fill = fill("one", "three", "new")
	second := k.BackUp()
	for _, signed := range []bool{true, false} {
		r, err := comparing.Run(t.Context(), open(t, k, first, signed), open(t, k, second, signed), k.IDs, diff.Options{Random: rand.Reader})
		require.NoError(t, err)
		require.Len(t, r.Services, 1)
		s := r.Services[0]
		require.Equal(t, []int64{2, 3, 1, 1, 1}, []int64{s.ItemsA, s.ItemsB, s.Equal, s.Added, s.Changed})
		require.Equal(t, "user", s.Changes[0].Class)
		require.Equal(t, "two", *s.Changes[0].Details[0].Before)
		require.Equal(t, result.Side{
			Name: "backup " + string(first.ID), BackupID: first.ID, Instance: backup.Instance{Name: "local"}, StartedAt: first.Manifest.StartedAt.UTC(),
			Path: "local/backups/" + first.Folder, Digest: digest(t, k, first), Verified: signed,
		}, r.A)
		require.WithinDuration(t, second.Manifest.StartedAt, r.B.StartedAt, time.Second)
	}
}

// digest is that of the manifest as it lies on the share.
func digest(t *testing.T, k *repositorytest.Fixture, b *repositorytest.Backup) string {
	t.Helper()
	data, err := os.ReadFile(k.Of(b, backup.ManifestFile))
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// TestWhatIsNotWhatWasSigned ends a comparison.
func TestWhatIsNotWhatWasSigned(t *testing.T) {
	for _, file := range []string{backup.CatalogFile, backup.PartFile(backup.AD), backup.KeyFile} {
		k := repositorytest.New(t, 7)
		k.Fill = fill("one")
		first := k.BackUp()
		k.Fill = fill("two")
		second := k.BackUp()
		a, b := open(t, k, first, true), open(t, k, second, true)
		data, err := os.ReadFile(k.Of(second, file))
		require.NoError(t, err)
		data[len(data)/2] ^= 1
		require.NoError(t, os.WriteFile(k.Of(second, file), data, 0o600))
		for _, sides := range [][2]*repository.Backup{{a, b}, {b, a}} {
			_, err = comparing.Run(t.Context(), sides[0], sides[1], k.IDs, diff.Options{Random: rand.Reader})
			require.ErrorIs(t, err, fault.BackupDamaged, file)
		}
	}
	k := repositorytest.New(t, 7)
	first := k.BackUp()
	text, _, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	keys, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	_, err = comparing.Run(t.Context(), open(t, k, first, true), open(t, k, first, true), keys, diff.Options{Random: rand.Reader})
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
}
