package activities

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/upkeep"
)

// TestADeletionCountsForWhatItsCallerSaw asks for a deletion that was decided at each
// point of a ledger: what happened to this backup since then refuses it, what happened
// to others does not, and neither does the deletion's own entry.
func TestADeletionCountsForWhatItsCallerSaw(t *testing.T) {
	const id, other = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"), backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12")
	store, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	repo := repository.New(store, "local")
	require.NoError(t, store.MkdirAll(t.Context(), "local/"+backup.LedgerDir))
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	signers := allowed([]string{key.Public()})
	var heads []backup.LedgerHead
	head := backup.LedgerHead{}
	for i, e := range []backup.LedgerEntry{
		{Action: backup.LedgerBegun},
		{Action: backup.LedgerCreated, BackupID: id, Folder: "20261129T000000Z_" + string(id)},
		{Action: backup.LedgerCreated, BackupID: other, Folder: "20261129T000100Z_" + string(other)},
		{Action: backup.LedgerRewrapped, BackupID: id, Folder: "20261129T000000Z_" + string(id)},
		{Action: backup.LedgerRewrapped, BackupID: other, Folder: "20261129T000100Z_" + string(other)},
		{Action: backup.LedgerDeleted, BackupID: id, Folder: "20261129T000000Z_" + string(id)},
	} {
		e.At, e.By, e.Controller = time.Unix(1_800_000_000+int64(i), 0), "op", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
		if e.Action == backup.LedgerCreated || e.Action == backup.LedgerRewrapped {
			e.SumsSHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		}
		next, own, err := repo.Ledger().Append(t.Context(), head, e, key, signers)
		require.NoError(t, err)
		require.True(t, own)
		head = next
		heads = append(heads, head)
	}
	state := flow.UpkeepState{}
	ask := func(seen flow.Seen, revision int64, of backup.ID) error {
		return unchanged(t.Context(), repo, revision, signers, flow.DeleteInput{Instance: "local", BackupID: of, Seen: seen},
			func(context.Context) (flow.UpkeepState, error) { return state, nil })
	}
	for at, h := range heads {
		seen := flow.Seen{Revision: 3, Ledger: h}
		require.NoError(t, ask(seen, 3, id), "its own entry is the last, after %d", at+1)
		require.Equal(t, fault.SettingsChanged, fault.CodeOf(ask(seen, 4, id)), "other settings are active")
		require.Equal(t, fault.SettingsChanged, fault.CodeOf(ask(seen, 2, id)), "the settings went back")
		err := ask(seen, 3, other)
		if h.Sequence < 5 { // it was re-wrapped by the fifth
			require.Equal(t, fault.SettingsChanged, fault.CodeOf(err), "seen at %d", h.Sequence)
			require.ErrorContains(t, err, "rewrapped")
		} else {
			require.NoError(t, err)
		}
	}
	seen := flow.Seen{Revision: 3, Ledger: head, Reasons: upkeep.Reasons(state)}
	require.NoError(t, ask(seen, 3, other))
	state.Verdicts = []flow.Verdict{{BackupID: id, At: time.Now(), Code: "BACKUP_DAMAGED"}}
	require.Equal(t, fault.SettingsChanged, fault.CodeOf(ask(seen, 3, other)), "one of those that stay was found damaged")
	require.NoError(t, ask(seen, 3, id), "its deletion is entered already")
	require.NoError(t, ask(flow.Seen{}, 9, other), "a caller of an earlier version saw nothing")
}
