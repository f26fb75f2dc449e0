package e2e

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/temporal"
)

// door is the front door to the instance.
func (c *controller) door() *control.Controller {
	return control.New(c.client, temporal.DataConverter(codec.New(c.ring)), "default", c.instance.Name)
}

// TestChangesWhileABackupRuns changes share, account and key during a run: the run goes
// on with what it began with, and the next one uses the new values. Wrong values leave
// everything as it was.
func TestChangesWhileABackupRuns(t *testing.T) {
	t.Parallel()
	newKey, newRecipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	newIdentity, err := seal.ParseIdentities([]byte(newKey.Reveal()))
	require.NoError(t, err)
	_, other, err := seal.GenerateIdentity(true, time.Now())
	require.NoError(t, err)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Mkdir(elsewhere, 0o700))
	const newPath, newPassword = `\\fs2.example.test\AzSBackups`, "the new password"

	for name, test := range map[string]struct {
		wrong func(context.Context, *control.Controller) error
		code  fault.Code
		right func(context.Context, *control.Controller) error
		check func(t *testing.T, c *controller, during, after backup.Overview)
	}{
		"share": {
			wrong: func(ctx context.Context, d *control.Controller) error {
				_, err := d.ChangeShare(ctx, control.ShareChange{Share: settings.Share{Path: `\\nowhere\s`, Transport: share.Encrypted}, RequestedBy: "test"})
				return err
			},
			code: fault.ShareUnreachable,
			right: func(ctx context.Context, d *control.Controller) error {
				_, err := d.ChangeShare(ctx, control.ShareChange{Share: settings.Share{Path: newPath, Transport: share.Encrypted}, RequestedBy: "test"})
				return err
			},
			check: func(t *testing.T, c *controller, during, after backup.Overview) {
				require.DirExists(t, filepath.Join(c.shareDir, during.Path))
				require.DirExists(t, filepath.Join(elsewhere, after.Path))
				require.NoDirExists(t, filepath.Join(elsewhere, during.Path))
			},
		},
		"credentials": {
			wrong: func(ctx context.Context, d *control.Controller) error {
				_, err := d.ChangeCredentials(ctx, `CORP\backup`, secret.New("wrong"), "test")
				return err
			},
			code: fault.ShareAuthFailed,
			right: func(ctx context.Context, d *control.Controller) error {
				_, err := d.ChangeCredentials(ctx, `CORP\other`, secret.New(newPassword), "test")
				return err
			},
			check: func(t *testing.T, c *controller, during, after backup.Overview) {
				require.DirExists(t, filepath.Join(c.shareDir, during.Path))
				require.DirExists(t, filepath.Join(c.shareDir, after.Path))
			},
		},
		"key": {
			wrong: func(ctx context.Context, d *control.Controller) error { // a hybrid key cannot stand beside another
				_, err := d.ChangeKey(ctx, control.KeyChange{Recipients: []seal.Recipient{other, newRecipient}, RequestedBy: "test"})
				return err
			},
			code: fault.KeyInvalid,
			right: func(ctx context.Context, d *control.Controller) error {
				_, err := d.ChangeKey(ctx, control.KeyChange{Recipients: []seal.Recipient{newRecipient}, RequestedBy: "test"})
				return err
			},
			check: func(t *testing.T, c *controller, during, after backup.Overview) {
				require.NoError(t, c.deep(during.BackupID, c.operator))
				require.Equal(t, fault.KeyDoesNotFit, fault.CodeOf(c.deep(during.BackupID, newIdentity)))
				require.NoError(t, c.deep(after.BackupID, newIdentity))
				require.Equal(t, fault.KeyDoesNotFit, fault.CodeOf(c.deep(after.BackupID, c.operator)))
			},
		},
		"signing key": {
			right: func(ctx context.Context, d *control.Controller) error {
				_, err := d.ChangeSigningKey(ctx, "test")
				return err
			},
			check: func(t *testing.T, c *controller, during, after backup.Overview) {
				require.NoError(t, c.deep(during.BackupID, c.operator))
				require.NoError(t, c.deep(after.BackupID, c.operator))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			source := &items{service: backup.AD, records: 10, gate: make(chan struct{}), reached: make(chan struct{})}
			c := newIdleController(t, source)
			c.shares = map[string]string{`\\fs.example.test\AzSBackups`: c.shareDir, newPath: elsewhere}
			c.passwords = map[string]string{`CORP\backup`: "canary-share-password", `CORP\other`: newPassword}
			c.start()
			t.Cleanup(func() { c.stop() })
			c.enable()
			before := c.door()

			_, run := c.begin()
			<-source.reached
			if test.wrong != nil {
				require.Equal(t, test.code, fault.CodeOf(test.wrong(t.Context(), before)))
			}
			require.NoError(t, test.right(t.Context(), before))
			close(source.gate)
			during, err := run.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, backup.Succeeded, during.Status)

			source.gate = nil
			_, next := c.begin()
			after, err := next.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, backup.Succeeded, after.Status)
			test.check(t, c, during, after)
			if test.wrong != nil {
				require.Error(t, test.wrong(t.Context(), before))
				_, last := c.begin()
				_, err = last.Get(t.Context())
				require.NoError(t, err, "a refused change leaves the active settings")
			}
			audit, err := before.VerifyAll(t.Context())
			require.NoError(t, err)
			require.True(t, audit.Good(), "%+v", audit)
			require.True(t, audit.HeadKnown)
		})
	}
}

// deep verifies a backup with an identity.
func (c *controller) deep(id backup.ID, identities []seal.Identity) error {
	verdict, err := audit.Verify(c.t.Context(), c.repo(), id, audit.VerifyOptions{Identities: identities})
	require.Empty(c.t, verdict.Findings)
	return err
}

// openStore opens the folder that stands for the share of s, for those who have the
// account's password.
func (c *controller) openStore(s settings.Settings) (*dir.Store, error) {
	folder := c.shareDir
	if c.shares != nil {
		var known bool
		if folder, known = c.shares[s.Share.Path]; !known {
			return nil, fault.Newf(fault.ShareUnreachable, "%s does not answer", s.Share.Path)
		}
	}
	if c.passwords != nil && c.passwords[s.Credential.Username] != s.Credential.Password.Reveal() {
		return nil, fault.Newf(fault.ShareAuthFailed, "%s refused %s", s.Share.Path, s.Credential.Username)
	}
	return dir.Open(folder)
}

// faltering is a store that does not do one rename.
type faltering struct {
	share.Store
	refuses func(to string) bool
}

// Rename implements share.Store.
func (f faltering) Rename(ctx context.Context, from, to string) error {
	if f.refuses(to) {
		return fault.Newf(fault.ShareUnreachable, "the connection ended")
	}
	return f.Store.Rename(ctx, from, to)
}

// TestANewLedgerBeginsOnce interrupts the step that begins a new ledger when it has begun:
// the next attempt goes on with it, and does not set it aside like the old one.
func TestANewLedgerBeginsOnce(t *testing.T) {
	t.Parallel()
	c := newIdleController(t, &items{service: backup.AD, records: 1})
	var armed, refused atomic.Bool
	c.wrap = func(s share.Store) share.Store {
		return faltering{s, func(to string) bool {
			second := path.Base(to) == backup.LedgerFile(2) && path.Base(path.Dir(to)) == backup.LedgerDir
			return armed.Load() && second && refused.CompareAndSwap(false, true)
		}}
	}
	c.start()
	t.Cleanup(func() { c.stop() })
	c.enable()
	id, run := c.begin()
	_, err := run.Get(t.Context())
	require.NoError(t, err)

	armed.Store(true)
	_, err = c.door().ChangeShare(t.Context(), control.ShareChange{
		Share: settings.Share{Path: `\\fs.example.test\AzSBackups`, Transport: share.Encrypted}, Adopt: true, NewLedger: true, RequestedBy: "test",
	})
	require.NoError(t, err)
	require.True(t, refused.Load())
	folders, err := filepath.Glob(filepath.Join(c.shareDir, c.instance.Name, backup.LedgerDir+"-until-*"))
	require.NoError(t, err)
	require.Len(t, folders, 1)
	audit, err := c.door().VerifyAll(t.Context())
	require.NoError(t, err)
	require.True(t, audit.Good(), "%+v", audit.Findings)
	require.False(t, audit.Began.IsZero())
	require.Equal(t, id, audit.Backups[0].BackupID)
}
