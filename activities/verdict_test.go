package activities

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/share"
	"infrabackup/internal/upkeep"
)

// noted is what the entity remembers of the backup.
func (x *shelf) noted() flow.Verdict {
	x.t.Helper()
	all := x.entity.upkeep.Verdicts
	require.NotEmpty(x.t, all)
	require.Equal(x.t, shelfID, all[len(all)-1].BackupID)
	return all[len(all)-1]
}

// TestVerdictsSayWhatTheyAreAbout: of the backup, as the ledger's newest entry about it left it; what
// is wrong elsewhere on the share is noted beside that.
func TestVerdictsSayWhatTheyAreAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // an audit looks again after some seconds
		x := newShelf(t)
		verify := func() {
			_, err := run(t, x.a.VerifyBackup, flow.VerifyInput{Instance: shelfInstance, BackupID: shelfID})
			require.NoError(t, err)
		}
		verify()
		require.Equal(t, upkeep.Sound, upkeep.Judge(x.noted()))
		require.EqualValues(t, 2, x.noted().Sequence)
		list := filepath.Join(x.folder, shelfInstance, backup.AllowedSignersFile)
		require.NoError(t, os.WriteFile(list, []byte("infrabackup namespaces=\"infrabackup\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2v6QmZ1CZsIAO6C0yn9M0wq6jLJtG1Yd1pU2S0b2cV\n"), 0o600))
		verify()
		require.Equal(t, []string{"", string(fault.BackupForged)}, []string{x.noted().Code, x.noted().Beside})
		require.Equal(t, upkeep.Unclear, upkeep.Judge(x.noted()), "the backup is what was written")
	})
}

// TestAnAuditNotesWhatItFoundAboutABackup: contents that are whole do not make a backup good that the
// ledger says was deleted.
func TestAnAuditNotesWhatItFoundAboutABackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // an audit looks again after some seconds
		x := newShelf(t)
		audited := func() flow.AuditOutput {
			out, err := run(t, x.a.AuditShare, flow.AuditInput{Instance: shelfInstance})
			require.NoError(t, err)
			require.Equal(t, []backup.ID{shelfID}, out.Backups)
			return out
		}
		out := audited()
		require.Equal(t, []int64{2}, out.Sequences)
		require.Empty(t, out.Found)
		x.deleted()
		out = audited()
		require.Equal(t, []int64{3}, out.Sequences)
		require.Equal(t, map[backup.ID]string{shelfID: string(fault.BackupRolledBack)}, out.Found)
		verdict, err := run(t, x.a.VerifyBackup, flow.VerifyInput{
			Instance: shelfInstance, BackupID: shelfID, BackupOnly: true, Found: out.Found[shelfID], Sequence: out.Sequences[0],
		})
		require.NoError(t, err)
		require.Empty(t, verdict.Findings, "its contents are whole")
		require.Equal(t, upkeep.Bad, upkeep.Judge(x.noted()))
		require.EqualValues(t, 3, x.noted().Sequence)
	})
}

// TestTheSpaceIsTold: where it was asked for and the server can tell.
func TestTheSpaceIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		asked bool
		space share.Space
		err   error
		code  fault.Code
	}{
		"not asked":   {space: share.Space{Free: 1, Total: 2}},
		"asked":       {asked: true, space: share.Space{Free: 1, Total: 2}},
		"unsupported": {asked: true, err: fault.Newf(fault.ShareUnsupported, "no")},
		"away":        {asked: true, err: fault.New(fault.ShareUnreachable, "away", errors.New("reset")), code: fault.ShareUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			x := newShelf(t)
			x.wrap = func(s share.Store) share.Store { return spacious{s, c.space, c.err} }
			out, err := run(t, x.a.ListBackups, flow.ListInput{Instance: shelfInstance, Space: c.asked})
			require.Equal(t, c.code, fault.CodeOf(err))
			want := share.Space{}
			if c.asked {
				want = c.space
			}
			require.Equal(t, want, share.Space{Free: out.FreeBytes, Total: out.TotalBytes})
		})
	}
}

// spacious is a share with some space.
type spacious struct {
	share.Store
	space share.Space
	err   error
}

// Space implements share.Store.
func (s spacious) Space(context.Context) (share.Space, error) { return s.space, s.err }
