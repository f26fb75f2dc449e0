package restoring

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
)

// keptPlan lays a plan into a store, for the owner of a key: that of an undo, which refuses one item.
func keptPlan(t *testing.T, store statedir.Store, key seal.Identity, item string) string {
	t.Helper()
	done := &restore.Plan{
		Header: restore.Header{Kind: restore.OfBackup, PlanID: strings.Repeat("ef", 32), Origin: restore.Origin{BackupID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"}, Target: restore.Fingerprint{Name: "site-b"}},
		Steps:  []restore.Step{{Key: restore.Key{Service: backup.CA, Kind: "file", ID: item}, Action: restore.Update, Within: -1}},
	}
	journal := &restoretest.Journal{}
	require.NoError(t, journal.PutOutcome(t.Context(), 0, []restore.Outcome{{Status: restore.Confirmed, Reversible: restore.Reversibility{Grade: restore.Irreversible, Why: "it is gone"}}}))
	plan, err := restore.UndoPlan(t.Context(), done, journal, "test", time.Unix(1_800_000_000, 0))
	require.NoError(t, err)
	require.NoError(t, Keep(t.Context(), plan, []seal.Identity{key}, store))
	return plan.Header.PlanID
}

func newKey(t *testing.T) seal.Identity {
	t.Helper()
	text, _, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	keys, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	return keys[0]
}

// TestLook: with the key of its backup a plan is read, and with no other one.
func TestLook(t *testing.T) {
	store := statedir.Local(filepath.Join(t.TempDir(), "restores"))
	key, other := newKey(t), newKey(t)
	id := keptPlan(t, store, key, "a")
	plan, state, err := Look(t.Context(), store, id, key)
	require.NoError(t, err)
	require.Equal(t, []any{id, 1, "planned"}, []any{plan.Header.PlanID, len(plan.Refusals), state})
	_, _, err = Look(t.Context(), store, id, other)
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
	_, _, err = Look(t.Context(), store, strings.Repeat("00", 32), key)
	require.ErrorIs(t, err, fault.ItemNotFound)
}

// TestListKeyed: only plans are opened whose key came, those come first, and one that is damaged
// hides no other.
func TestListKeyed(t *testing.T) {
	store := statedir.Local(filepath.Join(t.TempDir(), "restores"))
	all, more, err := ListKeyed(t.Context(), store, nil, 10)
	require.NoError(t, err)
	require.Empty(t, all)
	require.False(t, more)
	key, other := newKey(t), newKey(t)
	mine, others, foreign := keptPlan(t, store, key, "a"), keptPlan(t, store, other, "b"), keptPlan(t, store, other, "c")
	damaged := strings.Repeat("0f", 32)
	require.NoError(t, store.Make(t.Context(), damaged))
	folder, err := store.Open(t.Context(), damaged)
	require.NoError(t, err)
	require.NoError(t, folder.Create(t.Context(), "plan", []byte("none\n")))
	require.NoError(t, folder.Close())

	keys := map[string]seal.Identity{mine: key, damaged: key, foreign: key}
	all, more, err = ListKeyed(t.Context(), store, keys, 10)
	require.NoError(t, err)
	require.False(t, more)
	states := map[string]string{}
	for _, row := range all {
		states[row.PlanID] = row.State
		require.Equal(t, row.PlanID == mine, row.Target == "site-b")
	}
	require.Equal(t, map[string]string{mine: "planned", damaged: "damaged", foreign: forAnotherKey, others: forAnotherKey}, states)
	require.Equal(t, others, all[3].PlanID, "those with a key come first")
	all, more, err = ListKeyed(t.Context(), store, keys, 3)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.True(t, more)
}
