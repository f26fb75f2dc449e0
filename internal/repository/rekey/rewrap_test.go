package rekey_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/rekey"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/sharetest"
	"infrabackup/tests/tier"
)

// changed are the files that a replacement of the key changes.
var changed = []string{backup.KeyFile, backup.SumsFile, backup.SignatureFile}

func (w *rekeyFixture) options(sums string) rekey.ReplaceOptions {
	return rekey.ReplaceOptions{Key: w.Signer, AllowedSigners: w.Signers, Sums: sums}
}

func TestReplaceKey(t *testing.T) {
	for name, tc := range map[string]struct {
		to     keys
		others []seal.Recipient
	}{
		"X25519": {to: repositorytest.NewKeys(t, false)},
		"two":    {to: repositorytest.NewKeys(t, false), others: []seal.Recipient{repositorytest.RSAKeys().Recipient}},
		"RSA":    {to: repositorytest.RSAKeys()},
		"hybrid": {to: repositorytest.NewKeys(t, true), others: []seal.Recipient{repositorytest.NewKeys(t, true).Recipient}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRekeyFixture(t)
			w.Make(repositorytest.ID, repositorytest.Start)
			before := repositorytest.Content(t, w.Folder, changed...)
			keyAge := repositorytest.Rewrapped(t, w.KeyAge, w.Old, append(tc.others, tc.to.Recipient)...)
			w.Store.Written = 0
			got, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, keyAge, w.options(w.Sums()))
			require.NoError(t, err)
			require.Equal(t, rekey.Replaced{Folder: w.Files().At(backup.BackupPath(repositorytest.ID, repositorytest.Start)), Sums: w.Sums(), Written: w.Store.Written, Changed: true}, got)
			require.LessOrEqual(t, got.Written, int64(16<<10))
			require.Equal(t, before, repositorytest.Content(t, w.Folder, changed...))
			w.Verify(tc.to)
			_, err = w.Unlock(repositorytest.ID, w.Old)
			require.ErrorIs(t, err, fault.KeyDoesNotFit)

			calls := w.Store.Changes
			again, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, keyAge, w.options("ab"))
			require.NoError(t, err, "whoever lost the reply asks again with the same key.age")
			require.Equal(t, rekey.Replaced{Folder: got.Folder, Sums: got.Sums}, again)
			require.Equal(t, calls, w.Store.Changes)
		})
	}
}

func TestReplaceKeyInManyBackups(t *testing.T) {
	w := newRekeyFixture(t)
	to := []keys{repositorytest.NewKeys(t, true), repositorytest.NewKeys(t, true)}
	for i := range tier.Size(20, 20, 50) {
		id := backup.ID(fmt.Sprintf("0b1f4c2e-5a59-4b0e-9a43-%012d", i))
		w.Make(id, repositorytest.Start.Add(time.Duration(i)*time.Hour))
		keyAge := repositorytest.Rewrapped(t, w.KeyAge, w.Old, to[0].Recipient, to[1].Recipient)
		w.Store.Written = 0
		got, err := rekey.ReplaceKey(t.Context(), w.Repository, id, keyAge, w.options(""))
		require.NoError(t, err)
		require.Equal(t, w.Store.Written, got.Written)
		require.LessOrEqual(t, got.Written, int64(16<<10))
		require.Positive(t, got.Written)
	}
	listing, err := w.List(t.Context(), 0)
	require.NoError(t, err)
	for _, b := range listing.Backups {
		repositorytest.VerifyWith(t, w.Repository, to[1], w.Signers, b.BackupID)
	}
}

// TestReplaceKeyDies: the backup opens at any moment, and whoever comes next finishes.
func TestReplaceKeyDies(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	first, second := repositorytest.NewKeys(t, false), repositorytest.NewKeys(t, false)
	firstAge, secondAge := repositorytest.Rewrapped(t, w.KeyAge, w.Old, first.Recipient), repositorytest.Rewrapped(t, w.KeyAge, w.Old, second.Recipient)
	whole, ledger := repositorytest.Content(t, w.Folder), w.Sums()
	parts := repositorytest.Content(t, w.Folder, changed...)
	recorded := ""
	record := func(sums string) error { recorded = sums; return nil }

	sharetest.EveryCrash(t, w.Store, func() { repositorytest.RestoreTree(t, w.Folder, whole); recorded = ledger }, func() error {
		opts := w.options(ledger)
		opts.OnStaged = record
		_, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, firstAge, opts)
		return err
	}, func(t *testing.T) {
		_, err := w.Unlock(repositorytest.ID, w.Old, first)
		require.NoError(t, err, "it opens in between")
		crashed := repositorytest.Content(t, w.Folder)

		t.Run("repeated", func(t *testing.T) {
			got, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, firstAge, w.options(ledger))
			require.NoError(t, err)
			require.Equal(t, w.Sums(), got.Sums)
			w.done(t, parts, first, w.Old)
		})
		for name, opts := range map[string]rekey.ReplaceOptions{"recorded": w.options(recorded), "without a ledger": w.options("")} {
			t.Run("another key, "+name, func(t *testing.T) {
				repositorytest.RestoreTree(t, w.Folder, crashed)
				got, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, secondAge, opts)
				require.NoError(t, err)
				require.True(t, got.Changed)
				require.Equal(t, w.Sums(), got.Sums)
				w.done(t, parts, second, first)
			})
		}
	})
}

// done makes sure that a replacement has reached its end.
func (w *rekeyFixture) done(t *testing.T, parts map[string]string, opens, not keys) {
	t.Helper()
	require.Equal(t, parts, repositorytest.Content(t, w.Folder, changed...), "nothing else changed, and nothing is left")
	repositorytest.VerifyWith(t, w.Repository, opens, w.Signers, repositorytest.ID)
	_, err := w.Unlock(repositorytest.ID, not)
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
}

// TestReplaceKeyDiesTwice: what finishes an interrupted replacement can be interrupted.
func TestReplaceKeyDiesTwice(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	first, second := repositorytest.NewKeys(t, false), repositorytest.NewKeys(t, false)
	firstAge, secondAge := repositorytest.Rewrapped(t, w.KeyAge, w.Old, first.Recipient), repositorytest.Rewrapped(t, w.KeyAge, w.Old, second.Recipient)
	whole, parts := repositorytest.Content(t, w.Folder), repositorytest.Content(t, w.Folder, changed...)
	for _, at := range []int{4, 6, 8} { // key, signature and sums removed
		sharetest.CrashesOf(t, w.Store, []bool{false}, func() {
			repositorytest.RestoreTree(t, w.Folder, whole)
			w.Store.Arm(at, sharetest.After, false)
			_, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, firstAge, w.options(""))
			require.ErrorIs(t, err, sharetest.ErrCrashed)
			w.Store.Revive()
		}, func() error {
			_, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, secondAge, w.options(""))
			return err
		}, func(t *testing.T) {
			_, err := w.Unlock(repositorytest.ID, w.Old, first, second)
			require.NoError(t, err)
			_, err = rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, secondAge, w.options(""))
			require.NoError(t, err)
			w.done(t, parts, second, first)
		})
	}
}

func TestReplaceKeyIsNotAnnouncedInVain(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	to := repositorytest.NewKeys(t, false)
	keyAge := repositorytest.Rewrapped(t, w.KeyAge, w.Old, to.Recipient)
	stop := errors.New("the ledger cannot be written")
	opts := w.options(w.Sums())
	opts.OnStaged = func(string) error { return stop }
	_, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, keyAge, opts)
	require.ErrorIs(t, err, stop)
	id, err := w.Unlock(repositorytest.ID, w.Old)
	require.NoError(t, err)
	require.NotEmpty(t, id.Public())
	opts.OnStaged = nil
	got, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, keyAge, opts)
	require.NoError(t, err)
	require.Zero(t, got.Written, "all was there")
	w.Verify(to)
}

func TestReplaceKeyOnAStoreThatLies(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	to := repositorytest.NewKeys(t, false)
	keyAge := repositorytest.Rewrapped(t, w.KeyAge, w.Old, to.Recipient)
	w.Lying.Corrupt = true
	_, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, keyAge, w.options(w.Sums()))
	require.ErrorIs(t, err, fault.ShareCorrupted)
	w.Lying.Corrupt = false
	w.Verify(w.Old)
	w.Lying.LoseReply = true
	_, err = rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, keyAge, w.options(w.Sums()))
	require.NoError(t, err)
	w.Verify(to)
}

// TestReplaceKeyLaundersNothing: what is signed again was signed before, and is what the
// ledger knows.
func TestReplaceKeyLaundersNothing(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	first := repositorytest.NewKeys(t, false)
	oldest := repositorytest.Content(t, w.Folder)
	_, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, repositorytest.Rewrapped(t, w.KeyAge, w.Old, first.Recipient), w.options(w.Sums()))
	require.NoError(t, err)
	ledger, whole := w.Sums(), repositorytest.Content(t, w.Folder)
	keyAge := repositorytest.Rewrapped(t, w.KeyAge, w.Old, repositorytest.NewKeys(t, false).Recipient)
	stranger := repositorytest.SigningKey(t)

	sums := func(change func([]byte) []byte) func(*testing.T) {
		return func(t *testing.T) {
			data, err := os.ReadFile(w.File(backup.SumsFile))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(w.File(backup.SumsFile), change(data), 0o600))
		}
	}
	flip := func(data []byte) []byte {
		data[0] = "0123456789abcdef"[(bytes.IndexByte([]byte("0123456789abcdef"), data[0])+1)%16]
		return data
	}
	sign := func(t *testing.T, by *seal.SigningKey, suffix string) {
		data, err := os.ReadFile(w.File(backup.SumsFile + suffix))
		require.NoError(t, err)
		signature, err := by.Sign(data)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(w.File(backup.SignatureFile+suffix), signature, 0o600))
	}
	plant := func(t *testing.T, suffix string) {
		for _, name := range changed {
			data := oldest["/"+backup.BackupPath(repositorytest.ID, repositorytest.Start)+"/"+name]
			require.NotEmpty(t, data)
			require.NoError(t, os.WriteFile(w.File(name+suffix), []byte(data), 0o600))
		}
	}
	for name, tc := range map[string]struct {
		change func(t *testing.T)
		code   fault.Code
	}{
		"sums changed":         {sums(flip), fault.BackupForged},
		"signed by a stranger": {func(t *testing.T) { sums(flip)(t); sign(t, stranger, "") }, fault.BackupForged},
		"signature of another": {func(t *testing.T) { sign(t, stranger, "") }, fault.BackupForged},
		"no signature":         {func(t *testing.T) { require.NoError(t, os.Remove(w.File(backup.SignatureFile))) }, fault.BackupDamaged},
		"no sums":              {func(t *testing.T) { require.NoError(t, os.Remove(w.File(backup.SumsFile))) }, fault.BackupDamaged},
		"no key":               {func(t *testing.T) { require.NoError(t, os.Remove(w.File(backup.KeyFile))) }, fault.BackupDamaged},
		"another key":          {func(t *testing.T) { require.NoError(t, os.WriteFile(w.File(backup.KeyFile), w.KeyAge, 0o600)) }, fault.BackupDamaged},
		"rolled back":          {func(t *testing.T) { plant(t, "") }, fault.BackupRolledBack},
		"rolled back, as the next": {func(t *testing.T) {
			plant(t, backup.NextSuffix)
			require.NoError(t, os.Remove(w.File(backup.SumsFile)))
		}, fault.BackupRolledBack},
		"next by a stranger": {func(t *testing.T) {
			plant(t, backup.NextSuffix)
			sign(t, stranger, backup.NextSuffix)
			require.NoError(t, os.Remove(w.File(backup.KeyFile)))
		}, fault.BackupForged},
	} {
		t.Run(name, func(t *testing.T) {
			repositorytest.RestoreTree(t, w.Folder, whole)
			tc.change(t)
			tampered := repositorytest.Content(t, w.Folder)
			got, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, keyAge, w.options(ledger))
			require.ErrorIs(t, err, tc.code)
			require.False(t, got.Changed)
			require.Equal(t, tampered, repositorytest.Content(t, w.Folder), "nothing was written")
		})
	}
	repositorytest.RestoreTree(t, w.Folder, whole)
	opts := w.options(ledger)
	opts.Key = stranger
	_, err = rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, keyAge, opts)
	require.ErrorIs(t, err, fault.BackupForged, "nobody would trust the new signature")
	for _, data := range [][]byte{nil, []byte("hello"), append([]byte(rekey.AgeHeader), make([]byte, seal.MaxKeyFile)...)} {
		_, err = rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, data, w.options(ledger))
		require.ErrorIs(t, err, fault.KeyInvalid)
	}
	_, err = rekey.ReplaceKey(t.Context(), w.Repository, "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", keyAge, w.options(ledger))
	require.ErrorIs(t, err, fault.BackupNotFound)
	require.Equal(t, whole, repositorytest.Content(t, w.Folder))
}

// TestReplaceKeyRemovesWhatLiesBeside: next files that nobody needs keep a backup from
// being verified.
func TestReplaceKeyRemovesWhatLiesBeside(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	require.NoError(t, os.WriteFile(w.File(backup.KeyFile+backup.NextSuffix), []byte("half of a"), 0o600))
	got, err := rekey.ReplaceKey(t.Context(), w.Repository, repositorytest.ID, w.KeyAge, w.options(w.Sums()))
	require.NoError(t, err)
	require.False(t, got.Changed)
	w.Verify(w.Old)
}
