package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/settings"
	"infrabackup/internal/share/dir"
)

// moving proposes another share as a revision of the given number, and returns what its
// steps are told.
func (x *shelf) moving(revision int64) (flow.CopyBackupsInput, flow.SettleChangeInput) {
	x.t.Helper()
	next := x.s
	next.Revision, next.Base, next.ChangedBy = revision, 1, "op"
	next.Share.Path = `\\fs.example.test\next`
	x.entity.revisions[revision] = next
	probe, err := settings.Probe{Fingerprint: next.Fingerprint(), Copy: true, At: time.Now().UTC()}.Sign(x.key)
	require.NoError(x.t, err)
	return flow.CopyBackupsInput{Revision: revision, Probe: &probe}, flow.SettleChangeInput{Revision: revision, Probe: &probe}
}

// TestAShareThatWasChangedWhileItWasCopiedIsNotLeft: what is done there between the copy
// and the switch refuses the switch. Whoever starts again gets it on the new share.
func TestAShareThatWasChangedWhileItWasCopiedIsNotLeft(t *testing.T) {
	const another = backup.ID("2945dfe4-d16c-4b36-9096-1deceb046647")
	for name, test := range map[string]struct {
		meanwhile func(x *shelf)
		there     bool // whether the backup is on the new share at last
		sound     bool // whether the copy can be made again
	}{
		"nothing": {nil, true, true},
		"a deletion": {func(x *shelf) {
			_, err := run(x.t, x.a.DeleteBackup, flow.DeleteInput{Instance: shelfInstance, BackupID: shelfID, RequestedBy: "op"})
			require.NoError(x.t, err)
		}, false, true},
		"a new key": {func(x *shelf) {
			_, err := run(x.t, x.a.ReplaceKeys, x.rewrap())
			require.NoError(x.t, err)
		}, true, true},
		"a backup": {func(x *shelf) {
			x.enter(backup.LedgerEntry{Action: backup.LedgerCreated, BackupID: another, Folder: "20261129T000000Z_" + string(another), SumsSHA256: x.sums()})
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newShelf(t)
			copying, settle := x.moving(2)
			copied, err := run(t, x.a.CopyBackups, copying)
			require.NoError(t, err)
			require.Equal(t, 1, copied.Backups)
			settle.Copied = copied.Head
			if test.meanwhile != nil {
				test.meanwhile(x)
				_, err = run(t, x.a.SettleChange, settle)
				require.Equal(t, fault.SettingsChanged, fault.CodeOf(err))
				require.ErrorContains(t, err, "start again")
				require.EqualValues(t, 1, x.entity.active, "what was active stays so")
				if !test.sound {
					return
				}
				copying, settle = x.moving(3)
				copied, err = run(t, x.a.CopyBackups, copying)
				require.NoError(t, err)
				settle.Copied = copied.Head
			}
			for range 2 { // and a repeated attempt
				_, err = run(t, x.a.SettleChange, settle)
				require.NoError(t, err)
			}
			require.Equal(t, settle.Revision, x.entity.active)
			store, err := dir.Open(x.next)
			require.NoError(t, err)
			head := x.entity.heads[x.entity.revisions[settle.Revision].Share.Place()]
			require.Equal(t, *copied.Head, head)
			found, backups, err := audit.Run(t.Context(), repository.New(store, shelfInstance), audit.Options{AllowedSigners: x.signers, Head: &head})
			require.NoError(t, err)
			require.True(t, found.Good(), "%+v", found)
			require.Equal(t, test.there, len(backups) == 1)
		})
	}
}

// TestACopyOfAnEarlierVersionIsActivated: its run does not tell where the ledger ended.
func TestACopyOfAnEarlierVersionIsActivated(t *testing.T) {
	x := newShelf(t)
	copying, settle := x.moving(2)
	_, err := run(t, x.a.CopyBackups, copying)
	require.NoError(t, err)
	x.deleted()
	_, err = run(t, x.a.SettleChange, settle)
	require.NoError(t, err)
	require.EqualValues(t, 2, x.entity.active)
}
