package rekeying

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
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

// A share with one backup from before the ledger.
const (
	frozenInstance = "t-0ec3988e"
	frozenBackup   = "1945dfe4-d16c-4b36-9096-1deceb046647"
)

var frozenData = filepath.Join("..", "..", "..", "tests", "compat", "testdata", "v1")

// rewrapping is a backup whose key was replaced once, in an older and the newest state.
type rewrapping struct {
	t             *testing.T
	backup        string        // its folder
	key, newerKey seal.Identity // that open it before and after
	repo          *repository.Repository
	store         *dir.Store
	signer        *seal.SigningKey
	signers       []byte
	head          backup.LedgerHead
	newer         settings.Recipient
	older, newest map[string][]byte
}

func newRewrapping(t *testing.T) *rewrapping {
	t.Helper()
	w := &rewrapping{t: t, signer: signingKey(t)}
	w.signers = seal.AllowedSigners(w.signer.Public())
	folder := filepath.Join(t.TempDir(), "share")
	require.NoError(t, os.CopyFS(folder, os.DirFS(filepath.Join(frozenData, "share"))))
	w.backup = filepath.Join(folder, frozenInstance, backup.BackupsDir, "20261123T195927Z_"+frozenBackup)
	w.sign(filepath.Join(folder, frozenInstance, backup.AllowedSignersFile))
	store, err := dir.Open(folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	w.store, w.repo = store, repository.New(store, frozenInstance)
	text, err := os.ReadFile(filepath.Join(frozenData, "operator.key"))
	require.NoError(t, err)
	w.key = identity(t, string(text))
	newer, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	w.newerKey = identity(t, newer.Reveal())
	w.newer = settings.Recipient{Recipient: backup.Recipient{Kind: recipient.Kind, Fingerprint: recipient.Fingerprint}, Text: recipient.Text}
	w.older = w.state()
	b, err := w.repo.Open(t.Context(), backup.Ref{ID: frozenBackup})
	require.NoError(t, err)
	w.enter(backup.LedgerAdopted, w.digest(), b.Manifest().Recipients)

	_, err = w.rekeyer(t, w.key).Rewrap(t.Context())
	require.NoError(t, err)
	w.newest = w.state()
	require.NotEqual(t, w.older, w.newest)
	return w
}

func identity(t *testing.T, text string) seal.Identity {
	t.Helper()
	found, err := seal.ParseIdentities([]byte(text))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func signingKey(t *testing.T) *seal.SigningKey {
	t.Helper()
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	return key
}

// sign signs the sums as they are, and makes the share trust who did.
func (w *rewrapping) sign(allowedSigners string) {
	w.t.Helper()
	sums, err := os.ReadFile(filepath.Join(w.backup, backup.SumsFile))
	require.NoError(w.t, err)
	signature, err := w.signer.Sign(sums)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(filepath.Join(w.backup, backup.SignatureFile), signature, 0o600))
	require.NoError(w.t, os.WriteFile(allowedSigners, w.signers, 0o600))
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

// service has a worker that replaces keys.
type service struct {
	Service
	w *rewrapping
}

// Summary implements [Service].
func (d service) Summary(context.Context) (settings.Summary, error) {
	return settings.Summary{Ledger: d.w.head}, nil
}

// KeyFileChallenges implements [Service].
func (d service) KeyFileChallenges(ctx context.Context, revision int64, ids []backup.ID) ([]flow.KeyFileChallenge, error) {
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

// Rewrap implements [Service].
func (d service) Rewrap(ctx context.Context, _ int64, keys []flow.WrappedKey, _ string) ([]flow.ReplacedBackup, error) {
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

// rekeyer replaces keys, with the newer one as the current one.
func (w *rewrapping) rekeyer(t *testing.T, key seal.Identity) *Rekeyer {
	t.Helper()
	r, err := New(service{w: w}, Options{Settings: settings.Settings{Recipients: []settings.Recipient{w.newer}}, Identities: []seal.Identity{key}})
	require.NoError(t, err)
	place := operator.New(w.store, frozenInstance)
	place.Signers = w.signers
	require.NoError(t, r.Read(t.Context(), place))
	return r
}

func only(t *testing.T, out Outcome) Rekeyed {
	t.Helper()
	require.Len(t, out.Backups, 1)
	require.Empty(t, out.Unreadable)
	return out.Backups[0]
}

// TestRewrapLooksAtTheFolder: a backup is not as it should be because the ledger says so.
func TestRewrapLooksAtTheFolder(t *testing.T) {
	const next = backup.NextSuffix
	for name, row := range map[string]struct {
		change func(w *rewrapping)
		result string
		code   fault.Code
	}{
		"as the ledger says": {func(*rewrapping) {}, Already, ""},
		"an empty key beside it": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.KeyFile: nil}, next)
		}, Cleared, ""},
		"a copy of the key beside it": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.KeyFile: w.newest[backup.KeyFile]}, next)
		}, Cleared, ""},
		"an older state beside it": {func(w *rewrapping) { w.put(w.older, next) }, Cleared, ""},
		"a huge key beside it": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.KeyFile: make([]byte, 1<<20)}, next)
		}, Cleared, ""},
		"interrupted before the first name": {func(w *rewrapping) { w.put(w.older, ""); w.put(w.newest, next) }, Rewrapped, ""},
		"interrupted at the sums": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.SumsFile: w.newest[backup.SumsFile]}, next)
			require.NoError(w.t, os.Remove(filepath.Join(w.backup, backup.SumsFile)))
		}, Rewrapped, ""},
		"an older state": {func(w *rewrapping) { w.put(w.older, "") }, Failed, fault.BackupRolledBack},
		"an older state and an empty key": {func(w *rewrapping) {
			w.put(w.older, "")
			w.put(map[string][]byte{backup.KeyFile: nil}, next)
		}, Failed, fault.BackupRolledBack},
		"sums that nobody knows": {func(w *rewrapping) {
			w.put(map[string][]byte{backup.SumsFile: []byte("x")}, "")
		}, Failed, fault.BackupDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRewrapping(t)
			row.change(w)
			out, err := w.rekeyer(t, w.key).Rewrap(t.Context())
			require.NoError(t, err)
			done := only(t, out)
			require.Equal(t, row.result, done.Result, "%+v", done)
			require.Equal(t, string(row.code), done.Code)
			if row.code != "" {
				return
			}
			require.Equal(t, w.newest, w.state())
			left, err := filepath.Glob(filepath.Join(w.backup, "*"+next))
			require.NoError(t, err)
			require.Empty(t, left)
			out, err = w.rekeyer(t, w.key).Rewrap(t.Context())
			require.NoError(t, err)
			require.Equal(t, Already, only(t, out).Result)
		})
	}
}

// TestRevokeAsksNoOldKeyForAnOlderState: it may be the stolen one.
func TestRevokeAsksNoOldKeyForAnOlderState(t *testing.T) {
	w := newRewrapping(t)
	w.put(w.older, "")
	b, err := w.repo.Open(t.Context(), backup.Ref{ID: frozenBackup})
	require.NoError(t, err)
	out, err := w.rekeyer(t, w.newerKey).Revoke(t.Context(), b.Manifest().Recipients[0].Fingerprint, t.TempDir(), func(string) { t.Error("it is encrypted again") })
	require.NoError(t, err)
	done := only(t, out)
	require.Equal(t, Failed, done.Result)
	require.Equal(t, string(fault.BackupRolledBack), done.Code)
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
			run := w.rekeyer(t, w.newerKey)
			w.head = row.kept(w.head)
			require.Equal(t, row.want, fault.CodeOf(run.reliable(t.Context())))
		})
	}
}
