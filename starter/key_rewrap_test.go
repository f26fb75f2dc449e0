package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/rekey"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share/dir"
)

// rewrapping is a backup whose key was replaced once, in an older and the newest state.
type rewrapping struct {
	*frozen
	repo          *repository.Repository
	store         *dir.Store
	signer        *seal.SigningKey
	signers       []byte
	head          backup.LedgerHead
	newer         settings.Recipient
	newerKey      string
	older, newest map[string][]byte
}

func newRewrapping(t *testing.T) *rewrapping {
	t.Helper()
	w := &rewrapping{frozen: thaw(t), signer: stranger(t), newerKey: filepath.Join(t.TempDir(), "newer.key")}
	w.signers = seal.AllowedSigners(w.signer.Public())
	w.sign(w.signer)
	store, err := dir.Open(w.folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	w.store, w.repo = store, repository.New(store, frozenInstance)
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(w.newerKey, []byte(text.Reveal()), 0o600))
	w.newer = settings.Recipient{Recipient: backup.Recipient{Kind: recipient.Kind, Fingerprint: recipient.Fingerprint}, Text: recipient.Text}
	w.older = w.state()
	b, err := w.repo.Open(t.Context(), backup.Ref{ID: frozenBackup})
	require.NoError(t, err)
	w.enter(backup.LedgerAdopted, w.digest(), b.Manifest().Recipients)

	run, _ := w.rekeying(t, w.key)
	require.NoError(t, run.rewrap(t.Context()))
	w.newest = w.state()
	require.NotEqual(t, w.older, w.newest)
	return w
}

// state reads the files that replacing the key replaces, and put writes some of them.
func (w *rewrapping) state() map[string][]byte {
	files := map[string][]byte{}
	for _, name := range []string{backup.KeyFile, backup.SumsFile, backup.SignatureFile} {
		data, err := os.ReadFile(filepath.Join(w.backup, name))
		require.NoError(w.t, err)
		files[name] = data
	}
	return files
}

func (w *rewrapping) put(files map[string][]byte, suffix string) {
	for name, data := range files {
		require.NoError(w.t, os.WriteFile(filepath.Join(w.backup, name+suffix), data, 0o600))
	}
}

func (w *rewrapping) digest() string {
	data, err := os.ReadFile(filepath.Join(w.backup, backup.SumsFile))
	require.NoError(w.t, err)
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

func (w *rewrapping) enter(action backup.LedgerAction, sums string, recipients []backup.Recipient) {
	entry := backup.LedgerEntry{
		Action: action, Controller: frozenBackup, At: time.Now().UTC(), By: "test", BackupID: frozenBackup,
		Folder: filepath.Base(w.backup), SumsSHA256: sums, Recipients: recipients,
	}
	head, _, err := w.repo.Ledger().Append(context.Background(), w.head, entry, w.signer, w.signers)
	require.NoError(w.t, err)
	w.head = head
}

// door is a service with a worker that replaces keys.
type door struct {
	controller
	w *rewrapping
}

// Summary implements controller.
func (d door) Summary(context.Context) (settings.Summary, error) {
	return settings.Summary{Ledger: d.w.head}, nil
}

// KeyFileChallenges implements controller.
func (d door) KeyFileChallenges(ctx context.Context, revision int64, ids []backup.ID) ([]flow.KeyFileChallenge, error) {
	var out []flow.KeyFileChallenge
	for _, id := range ids {
		b, err := d.w.repo.Open(ctx, backup.Ref{ID: id})
		if err != nil {
			return nil, err
		}
		c := flow.KeyFileChallenge{BackupID: id, Revision: revision}
		if c.Text, c.Public, err = seal.NewKeyFileChallenge(b.Manifest().BackupKey, frozenInstance, rand.Reader); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Rewrap implements controller.
func (d door) Rewrap(ctx context.Context, _ int64, keys []flow.WrappedKey, _ string) ([]flow.ReplacedBackup, error) {
	var out []flow.ReplacedBackup
	for _, key := range keys {
		ledger, err := d.w.repo.Ledger().Read(ctx, d.w.signers)
		if err != nil {
			return nil, err
		}
		known, _ := ledger.State(key.BackupID)
		enter := func(sums string) error {
			if sums != known.SumsSHA256 {
				d.w.enter(backup.LedgerRewrapped, sums, []backup.Recipient{d.w.newer.Recipient})
			}
			return nil
		}
		r, err := rekey.ReplaceKey(ctx, d.w.repo, key.BackupID, key.KeyAge, rekey.ReplaceOptions{
			Key: d.w.signer, AllowedSigners: d.w.signers, Sums: known.SumsSHA256, OnStaged: enter,
			Prove: func() error {
				statement, err := seal.KeyFileStatement("", key.BackupID, 0, []backup.Recipient{d.w.newer.Recipient}, key.KeyAge)
				require.NoError(d.w.t, err)
				require.NotNil(d.w.t, key.Challenge)
				require.Empty(d.w.t, key.Challenge.Text)
				return seal.CheckVoucher(key.Challenge.Public, statement, key.Voucher)
			},
		})
		if err != nil {
			return nil, err
		}
		out = append(out, flow.ReplacedBackup{BackupID: key.BackupID, Path: r.Folder, Changed: r.Changed, Written: r.Written})
	}
	return out, nil
}

// rekeying is a run with the newer key in force, and what it prints.
func (w *rewrapping) rekeying(t *testing.T, key string) (*rekeying, func() (rekeyed, string)) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	ids, err := identities(t.Context(), []string{key})
	require.NoError(t, err)
	recipient, err := seal.ParseRecipient(w.newer.Text)
	require.NoError(t, err)
	r := &rekeying{
		app: &app{process: process{stdout: &stdout, stderr: &stderr}, output: "json"}, door: door{w: w},
		settings: settings.Settings{Recipients: []settings.Recipient{w.newer}},
		place:    operator.New(w.store, frozenInstance), identities: ids, recipients: []seal.Recipient{recipient},
	}
	r.place.Signers = w.signers
	require.NoError(t, r.compare(t.Context()))
	return r, func() (rekeyed, string) {
		var document rekeyedDocument
		require.NoError(t, json.Unmarshal(stdout.Bytes(), &document), stdout.String())
		require.Len(t, document.Backups, 1)
		return document.Backups[0], stderr.String()
	}
}

// TestRewrapLooksAtTheFolder: a backup is not as it should be because the ledger says so.
func TestRewrapLooksAtTheFolder(t *testing.T) {
	const next = backup.NextSuffix
	for name, row := range map[string]struct {
		change func(w *rewrapping)
		result string
		code   fault.Code
	}{
		"as the ledger says": {func(*rewrapping) {}, resultAlready, ""},
		"an empty key beside it": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.KeyFile: nil}, next)
		}, resultCleared, ""},
		"a copy of the key beside it": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.KeyFile: w.newest[backup.KeyFile]}, next)
		}, resultCleared, ""},
		"an older state beside it": {func(w *rewrapping) { w.put(w.older, next) }, resultCleared, ""},
		"a huge key beside it": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.KeyFile: make([]byte, 1<<20)}, next)
		}, resultCleared, ""},
		"interrupted before the first name": {func(w *rewrapping) { w.put(w.older, ""); w.put(w.newest, next) }, resultRewrapped, ""},
		"interrupted at the sums": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.SumsFile: w.newest[backup.SumsFile]}, next)
			require.NoError(w.t, os.Remove(filepath.Join(w.backup, backup.SumsFile)))
		}, resultRewrapped, ""},
		"an older state": {func(w *rewrapping) { w.put(w.older, "") }, resultFailed, fault.BackupRolledBack},
		"an older state and an empty key": {func(w *rewrapping) {
			w.put(w.older, "")
			w.put(map[string][]byte{backup.KeyFile: nil}, next)
		}, resultFailed, fault.BackupRolledBack},
		"sums that nobody knows": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.SumsFile: []byte("x")}, "")
		}, resultFailed, fault.BackupDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRewrapping(t)
			row.change(w)
			run, printed := w.rekeying(t, w.key)
			err := run.rewrap(t.Context())
			done, said := printed()
			require.Equal(t, row.result, done.Result, "%+v", done)
			require.Equal(t, string(row.code), done.Code)
			if row.code != "" {
				require.Equal(t, exitCode(fault.ExitDamaged), err)
				require.NotContains(t, said, "--identity")
				return
			}
			require.NoError(t, err)
			require.Equal(t, w.newest, w.state())
			left, err := filepath.Glob(filepath.Join(w.backup, "*"+next))
			require.NoError(t, err)
			require.Empty(t, left)
			again, printed := w.rekeying(t, w.key)
			require.NoError(t, again.rewrap(t.Context()))
			done, _ = printed()
			require.Equal(t, resultAlready, done.Result)
		})
	}
}

// TestRevokeAsksNoOldKeyForAnOlderState: it may be the stolen one.
func TestRevokeAsksNoOldKeyForAnOlderState(t *testing.T) {
	w := newRewrapping(t)
	w.put(w.older, "")
	b, err := w.repo.Open(t.Context(), backup.Ref{ID: frozenBackup})
	require.NoError(t, err)
	run, printed := w.rekeying(t, w.newerKey)
	err = run.revoke(t.Context(), b.Manifest().Recipients[0].Fingerprint, t.TempDir())
	require.Equal(t, exitCode(fault.ExitDamaged), err)
	done, said := printed()
	require.Equal(t, resultFailed, done.Result)
	require.Equal(t, string(fault.BackupRolledBack), done.Code)
	require.NotContains(t, said, "--identity")
}

// TestRevokeReliesOnTheLedgerOfItsHead: another entry in the place of the newest hides what
// that says as well as a cut does.
func TestRevokeReliesOnTheLedgerOfItsHead(t *testing.T) {
	for name, row := range map[string]struct {
		kept func(backup.LedgerHead) backup.LedgerHead
		want fault.Code
	}{
		"the newest entry": {func(h backup.LedgerHead) backup.LedgerHead { return h }, ""},
		"another one": {func(h backup.LedgerHead) backup.LedgerHead {
			h.SHA256 = fmt.Sprintf("%064d", 0)
			return h
		}, fault.LedgerDamaged},
		"one that is gone": {func(h backup.LedgerHead) backup.LedgerHead {
			h.Sequence++
			return h
		}, fault.LedgerRolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRewrapping(t)
			run, _ := w.rekeying(t, w.newerKey)
			w.head = row.kept(w.head)
			require.Equal(t, row.want, fault.CodeOf(run.reliable(t.Context())))
		})
	}
}
