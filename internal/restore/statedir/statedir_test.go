package statedir_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
)

// one is a restorer of one item that is not there.
type one struct{ restore.Restorer }

func (one) Service() backup.Service            { return backup.CA }
func (one) Lanes() int                         { return 1 }
func (one) Group(e backup.CatalogEntry) string { return e.ID }
func (one) Wants(items []restore.Item, _ *mapping.Map) ([]restore.Want, []restore.Loss, error) {
	return []restore.Want{{Key: restore.Key{Service: backup.CA, Kind: "k", ID: items[0].ID}, Body: []byte("body")}}, nil, nil
}
func (one) Live(context.Context, restore.Want, *mapping.Map) (restore.State, error) {
	return restore.State{Digest: restore.AbsentDigest}, nil
}
func (one) Verdict(restore.Want, restore.State, *mapping.Map) restore.Verdict {
	return restore.Verdict{Action: restore.Create, Reversible: restore.Reversibility{Grade: restore.Reversible}}
}
func (one) Check(context.Context, []restore.Checked, *mapping.Map) ([]restore.Refusal, error) {
	return nil, nil
}

func identity(t *testing.T) []seal.Identity {
	t.Helper()
	text, _, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	ids, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	return ids
}

// plan is a plan as a file for an identity.
func plan(t *testing.T, ids []seal.Identity, name string) (file []byte, id string) {
	t.Helper()
	m, err := mapping.New()
	require.NoError(t, err)
	planner := restore.Planner{Map: m, Restorers: []restore.Restorer{one{}}, Now: func() time.Time { return time.Unix(1e9, 0) },
		Source: &restore.Source{Catalog: func(_ context.Context, fn func(backup.CatalogEntry) error) error {
			return fn(backup.CatalogEntry{Service: backup.CA, Item: backup.Item{Kind: "k", ID: name}})
		}}}
	p, err := planner.Plan(t.Context())
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, statedir.WritePlan(&b, p, ids[0].Recipient()))
	return b.Bytes(), p.Header.PlanID
}

func requireCode(t *testing.T, want fault.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fault.CodeOf(err), "%v", err)
}

func TestAPlanIsForItsOwner(t *testing.T) {
	ids := identity(t)
	file, id := plan(t, ids, "canary")
	require.NotContains(t, string(file), "canary", "names are not in the clear")
	p, err := statedir.ReadPlan(bytes.NewReader(file), ids)
	require.NoError(t, err)
	require.Equal(t, id, p.Header.PlanID)
	_, err = statedir.ReadPlan(bytes.NewReader(file), identity(t))
	requireCode(t, fault.KeyDoesNotFit, err)
	for i := 0; i < len(file); i += 7 {
		changed := bytes.Clone(file)
		changed[i] ^= 4
		_, err := statedir.ReadPlan(bytes.NewReader(changed), ids)
		require.Error(t, err, "byte %d", i)
		_, err = statedir.ReadPlan(bytes.NewReader(file[:i]), ids)
		require.Error(t, err, "cut at %d", i)
	}
}

func TestJournal(t *testing.T) {
	ids, state := identity(t), filepath.Join(t.TempDir(), "restores")
	file, id := plan(t, ids, "a")
	d, _, err := statedir.Create(t.Context(), statedir.Local(state), file, ids)
	require.NoError(t, err)
	_, _, err = statedir.Create(t.Context(), statedir.Local(state), file, ids)
	requireCode(t, fault.RestoreRunning, err)

	_, begun, err := d.Before(t.Context(), 0)
	require.NoError(t, err)
	require.False(t, begun)
	before := []restore.Before{{N: 0, State: restore.State{Exists: true, Document: []byte("a canary"), Digest: "d"}}}
	require.NoError(t, d.PutBefore(t.Context(), 0, before))
	requireCode(t, fault.JournalInvalid, d.PutBefore(t.Context(), 0, before))
	outcomes := []restore.Outcome{{N: 0, Status: restore.Confirmed, After: "e", Inverse: &restore.Want{Body: []byte("a canary"), Absent: true}, Learned: []mapping.Pair{{Old: "a", New: "b", How: mapping.Created}}}}
	require.NoError(t, d.PutOutcome(t.Context(), 0, outcomes))
	require.NoError(t, d.PutOutcome(t.Context(), 1, nil))
	require.NoError(t, d.Close())

	d, p, err := statedir.Open(t.Context(), statedir.Local(state), id[:8], ids)
	require.NoError(t, err)
	require.Equal(t, id, p.Header.PlanID)
	gotBefore, begun, err := d.Before(t.Context(), 0)
	require.NoError(t, err)
	require.True(t, begun)
	require.Equal(t, before, gotBefore)
	gotOutcomes, ended, err := d.Outcome(t.Context(), 0)
	require.NoError(t, err)
	require.True(t, ended)
	require.Equal(t, outcomes, gotOutcomes)
	require.NoError(t, d.Close())

	// Nothing on the disk is in the clear, or for others.
	require.NoError(t, filepath.WalkDir(state, func(name string, e os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, name)
		if e.Type().IsRegular() {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			require.NotContains(t, string(data), "canary", name)
		}
		return nil
	}))

	all, err := statedir.List(t.Context(), statedir.Local(state))
	require.NoError(t, err)
	require.Equal(t, []string{id}, all)
	_, _, err = statedir.Open(t.Context(), statedir.Local(state), "ffff", ids)
	requireCode(t, fault.ItemNotFound, err)
}

// TestJournalsThatWereChanged exchanges, changes and cuts files.
func TestJournalsThatWereChanged(t *testing.T) {
	ids := identity(t)
	file, id := plan(t, ids, "a")
	other, otherID := plan(t, ids, "b")
	for name, change := range map[string]func(t *testing.T, dir string){
		"exchanged": func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, "outcome/000001.age"), filepath.Join(dir, "outcome/000000.age")))
		},
		"cut": func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "outcome/000000.age"), 300))
		},
		"empty": func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "outcome/000000.age"), 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			d, _, err := statedir.Create(t.Context(), statedir.Local(state), file, ids)
			require.NoError(t, err)
			require.NoError(t, d.PutOutcome(t.Context(), 0, nil))
			require.NoError(t, d.PutOutcome(t.Context(), 1, nil))
			change(t, filepath.Join(state, id))
			_, _, err = d.Outcome(t.Context(), 0)
			requireCode(t, fault.JournalInvalid, err)
			require.NoError(t, d.Close())
		})
	}
	t.Run("another plan", func(t *testing.T) {
		state := t.TempDir()
		for _, f := range [][]byte{file, other} {
			d, _, err := statedir.Create(t.Context(), statedir.Local(state), f, ids)
			require.NoError(t, err)
			require.NoError(t, d.Close())
		}
		require.NoError(t, os.Rename(filepath.Join(state, otherID, "plan"), filepath.Join(state, id, "plan")))
		_, _, err := statedir.Open(t.Context(), statedir.Local(state), id, ids)
		requireCode(t, fault.JournalInvalid, err)
	})
}

// TestAPlanOpensWithItsOwnKey, which reads that plan and no other.
func TestAPlanOpensWithItsOwnKey(t *testing.T) {
	ids, store := identity(t), statedir.Local(t.TempDir())
	var dirs []*statedir.Dir
	for _, name := range []string{"a", "b"} {
		file, _ := plan(t, ids, name)
		d, _, err := statedir.Create(t.Context(), store, file, ids)
		require.NoError(t, err)
		require.NoError(t, d.Close())
		dirs = append(dirs, d)
	}
	own := []seal.Identity{dirs[0].Key()}
	opened := 0
	names, err := statedir.List(t.Context(), store)
	require.NoError(t, err)
	for _, name := range names {
		d, _, err := statedir.Open(t.Context(), store, name, own)
		if err == nil {
			opened++
			require.Equal(t, own[0].Public(), d.Key().Public())
			require.NoError(t, d.Close())
			continue
		}
		requireCode(t, fault.KeyDoesNotFit, err)
	}
	require.Equal(t, 1, opened)
}
