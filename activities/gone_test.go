package activities

import (
	"context"
	"io"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/rekey"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
)

// own opens the backup's key, as its operator does.
func (x *shelf) own() (keyFile []byte, own seal.Identity) {
	x.t.Helper()
	b, err := x.repo.Open(x.t.Context(), backup.Ref{ID: shelfID})
	require.NoError(x.t, err)
	keyFile, err = b.KeyFile(x.t.Context())
	require.NoError(x.t, err)
	own, err = seal.OpenBackupKey(keyFile, x.held)
	require.NoError(x.t, err)
	return keyFile, own
}

func (x *shelf) to() []seal.Recipient {
	x.t.Helper()
	to, err := seal.ParseRecipient(x.s.Recipients[0].Text)
	require.NoError(x.t, err)
	return []seal.Recipient{to}
}

// rewrap is what the operator sends to have the backup's key wrapped again.
func (x *shelf) rewrap() flow.RewrapInput {
	x.t.Helper()
	keyFile, own := x.own()
	keyAge, err := seal.Rewrap(keyFile, x.held, x.to())
	require.NoError(x.t, err)
	out, err := run(x.t, x.a.MakeChallenges, flow.ChallengeInput{Revision: 1, Backups: []backup.ID{shelfID}})
	require.NoError(x.t, err)
	c := out.Challenges[0]
	statement, err := seal.KeyFileStatement(shelfInstance, shelfID, 1, x.s.PublicRecipients(), keyAge)
	require.NoError(x.t, err)
	voucher, err := seal.VouchForKeyFile(c.Text, own, statement)
	require.NoError(x.t, err)
	c.Text = nil
	return flow.RewrapInput{Revision: 1, RequestedBy: "op", Keys: []flow.WrappedKey{{BackupID: shelfID, KeyAge: keyAge, Challenge: &c, Voucher: voucher}}}
}

// reencrypt stages a copy that is re-encrypted, as the operator does.
func (x *shelf) reencrypt() flow.ReencryptInput {
	x.t.Helper()
	_, own := x.own()
	staged, err := rekey.Reencrypt(x.t.Context(), x.repo, shelfID, own, x.to(), rekey.ReencryptOptions{
		AllowedSigners: x.signers, Signer: x.key.Fingerprint(), Temp: x.t.TempDir(),
	})
	require.NoError(x.t, err)
	return flow.ReencryptInput{Revision: 1, BackupID: shelfID, Staged: staged.Sums, RequestedBy: "op"}
}

// writing calls back before a file of the given name is written, or gets it.
type writing struct {
	share.Store
	name string
	call func()
}

// Upload implements share.Store.
func (w *writing) Upload(ctx context.Context, name string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	w.at(name)
	return w.Store.Upload(ctx, name, src, from, size, flushed)
}

// UploadGrowing implements share.Store.
func (w *writing) UploadGrowing(ctx context.Context, name string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (int64, error) {
	w.at(name)
	return w.Store.UploadGrowing(ctx, name, src, from, extent, flushed)
}

// Rename implements share.Store.
func (w *writing) Rename(ctx context.Context, from, to string) error {
	w.at(to)
	return w.Store.Rename(ctx, from, to)
}

func (w *writing) at(name string) {
	if call := w.call; call != nil && path.Base(name) == w.name {
		w.call = nil
		call()
	}
}

// TestADeletedBackupThatIsBackStaysDeleted: neither its key nor its parts are replaced
// when somebody has put its folder back, and the ledger goes on to say that it was
// deleted, whether that was entered before the replacement or while it goes on.
func TestADeletedBackupThatIsBackStaysDeleted(t *testing.T) {
	for name, test := range map[string]struct {
		replace func(x *shelf) func() error
		during  string // name that the replacement gives something before it makes its entry
		good    backup.LedgerAction
	}{
		"its key": {func(x *shelf) func() error {
			in := x.rewrap()
			return func() error { _, err := run(x.t, x.a.ReplaceKeys, in); return err }
		}, backup.KeyFile + backup.NextSuffix, backup.LedgerRewrapped},
		"all of it": {func(x *shelf) func() error {
			in := x.reencrypt()
			return func() error { _, err := run(x.t, x.a.SwapBackup, in); return err }
		}, backup.SignatureFile, backup.LedgerReencrypted},
	} {
		t.Run(name, func(t *testing.T) {
			x := newShelf(t)
			replace := test.replace(x)
			require.NoError(t, replace())
			require.Equal(t, test.good, x.state().Action, "one that is there is replaced")

			x = newShelf(t)
			replace = test.replace(x)
			x.deleted()
			require.Equal(t, fault.BackupRolledBack, fault.CodeOf(replace()))
			require.Equal(t, backup.LedgerDeleted, x.state().Action)

			x = newShelf(t)
			replace = test.replace(x)
			w := &writing{name: test.during, call: x.deleted}
			x.wrap = func(s share.Store) share.Store { w.Store = s; return w }
			require.NoError(t, x.a.stores.Close()) // opened by the challenge
			require.Equal(t, fault.BackupRolledBack, fault.CodeOf(replace()))
			require.Nil(t, w.call)
			require.Equal(t, backup.LedgerDeleted, x.state().Action)
		})
	}
}

// TestNobodyIsChallengedForADeletedBackup: what is gone is not found, and what is back is
// told apart from that.
func TestNobodyIsChallengedForADeletedBackup(t *testing.T) {
	x := newShelf(t)
	x.deleted()
	in := flow.ChallengeInput{Revision: 1, Backups: []backup.ID{shelfID}}
	_, err := run(t, x.a.MakeChallenges, in)
	require.Equal(t, fault.BackupRolledBack, fault.CodeOf(err))
	_, err = x.repo.Delete(t.Context(), shelfID, repository.DeleteOptions{})
	require.NoError(t, err)
	_, err = run(t, x.a.MakeChallenges, in)
	require.Equal(t, fault.BackupNotFound, fault.CodeOf(err))
}
