package repository

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
	"infrabackup/internal/seal"
)

// changed are the files that a replacement of the key changes.
var changed = []string{backup.KeyFile, backup.SumsFile, backup.SignatureFile}

func (w *world) options(sums string) ReplaceOptions {
	return ReplaceOptions{Key: w.signer, AllowedSigners: w.signers, Sums: sums}
}

func TestReplaceKey(t *testing.T) {
	for name, tc := range map[string]struct {
		to     keys
		others []seal.Recipient
	}{
		"X25519": {to: newKeys(t, false)},
		"two":    {to: newKeys(t, false), others: []seal.Recipient{rsaKeys().recipient}},
		"RSA":    {to: rsaKeys()},
		"hybrid": {to: newKeys(t, true), others: []seal.Recipient{newKeys(t, true).recipient}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.make(testID, testStart)
			before := content(t, w.folder, changed...)
			keyAge := wrapped(t, w.keyAge, w.old, append(tc.others, tc.to.recipient)...)
			w.store.written = 0
			got, err := w.ReplaceKey(t.Context(), testID, keyAge, w.options(w.sums()))
			require.NoError(t, err)
			require.Equal(t, Replaced{Folder: w.at(backup.BackupPath(testID, testStart)), Sums: w.sums(), Written: w.store.written, Changed: true}, got)
			require.LessOrEqual(t, got.Written, int64(16<<10))
			require.Equal(t, before, content(t, w.folder, changed...))
			w.verify(tc.to)
			_, err = w.open(testID, w.old)
			require.ErrorIs(t, err, fault.KeyDoesNotFit)

			calls := w.store.calls
			again, err := w.ReplaceKey(t.Context(), testID, keyAge, w.options("ab"))
			require.NoError(t, err, "whoever lost the reply asks again with the same key.age")
			require.Equal(t, Replaced{Folder: got.Folder, Sums: got.Sums}, again)
			require.Equal(t, calls, w.store.calls)
		})
	}
}

func TestReplaceKeyInManyBackups(t *testing.T) {
	w := newWorld(t)
	to := []keys{newKeys(t, true), newKeys(t, true)}
	for i := range 50 {
		id := backup.ID(fmt.Sprintf("0b1f4c2e-5a59-4b0e-9a43-%012d", i))
		w.make(id, testStart.Add(time.Duration(i)*time.Hour))
		keyAge := wrapped(t, w.keyAge, w.old, to[0].recipient, to[1].recipient)
		w.store.written = 0
		got, err := w.ReplaceKey(t.Context(), id, keyAge, w.options(""))
		require.NoError(t, err)
		require.Equal(t, w.store.written, got.Written)
		require.LessOrEqual(t, got.Written, int64(16<<10))
		require.Positive(t, got.Written)
	}
	listing, err := w.List(t.Context(), 0)
	require.NoError(t, err)
	for _, b := range listing.Backups {
		w.verifyWith(t, to[1], w.signers, b.BackupID)
	}
}

// TestReplaceKeyDies: the backup opens at any moment, and whoever comes next finishes.
func TestReplaceKeyDies(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	first, second := newKeys(t, false), newKeys(t, false)
	firstAge, secondAge := wrapped(t, w.keyAge, w.old, first.recipient), wrapped(t, w.keyAge, w.old, second.recipient)
	whole, ledger := content(t, w.folder), w.sums()
	parts := content(t, w.folder, changed...)
	recorded := ""
	record := func(sums string) error { recorded = sums; return nil }

	everyDeath(t, w.store, func() { restore(t, w.folder, whole); recorded = ledger }, func() error {
		opts := w.options(ledger)
		opts.Announce = record
		_, err := w.ReplaceKey(t.Context(), testID, firstAge, opts)
		return err
	}, func(t *testing.T) {
		_, err := w.open(testID, w.old, first)
		require.NoError(t, err, "it opens in between")
		crashed := content(t, w.folder)

		t.Run("repeated", func(t *testing.T) {
			got, err := w.ReplaceKey(t.Context(), testID, firstAge, w.options(ledger))
			require.NoError(t, err)
			require.Equal(t, w.sums(), got.Sums)
			w.done(t, parts, first, w.old)
		})
		for name, opts := range map[string]ReplaceOptions{"recorded": w.options(recorded), "without a ledger": w.options("")} {
			t.Run("another key, "+name, func(t *testing.T) {
				restore(t, w.folder, crashed)
				got, err := w.ReplaceKey(t.Context(), testID, secondAge, opts)
				require.NoError(t, err)
				require.True(t, got.Changed)
				require.Equal(t, w.sums(), got.Sums)
				w.done(t, parts, second, first)
			})
		}
	})
}

// done makes sure that a replacement has reached its end.
func (w *world) done(t *testing.T, parts map[string]string, opens, not keys) {
	t.Helper()
	require.Equal(t, parts, content(t, w.folder, changed...), "nothing else changed, and nothing is left")
	w.verifyWith(t, opens, w.signers, testID)
	_, err := w.open(testID, not)
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
}

// TestReplaceKeyDiesTwice: what finishes an interrupted replacement can be interrupted.
func TestReplaceKeyDiesTwice(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	first, second := newKeys(t, false), newKeys(t, false)
	firstAge, secondAge := wrapped(t, w.keyAge, w.old, first.recipient), wrapped(t, w.keyAge, w.old, second.recipient)
	whole, parts := content(t, w.folder), content(t, w.folder, changed...)
	for _, at := range []int{4, 6, 8} { // key, signature and sums removed
		deathsOf(t, w.store, []bool{false}, func() {
			restore(t, w.folder, whole)
			w.store.kill(at, after, false)
			_, err := w.ReplaceKey(t.Context(), testID, firstAge, w.options(""))
			require.ErrorIs(t, err, errDead)
			w.store.revive()
		}, func() error {
			_, err := w.ReplaceKey(t.Context(), testID, secondAge, w.options(""))
			return err
		}, func(t *testing.T) {
			_, err := w.open(testID, w.old, first, second)
			require.NoError(t, err)
			_, err = w.ReplaceKey(t.Context(), testID, secondAge, w.options(""))
			require.NoError(t, err)
			w.done(t, parts, second, first)
		})
	}
}

func TestReplaceKeyIsNotAnnouncedInVain(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	to := newKeys(t, false)
	keyAge := wrapped(t, w.keyAge, w.old, to.recipient)
	stop := errors.New("the ledger cannot be written")
	opts := w.options(w.sums())
	opts.Announce = func(string) error { return stop }
	_, err := w.ReplaceKey(t.Context(), testID, keyAge, opts)
	require.ErrorIs(t, err, stop)
	id, err := w.open(testID, w.old)
	require.NoError(t, err)
	require.NotEmpty(t, id.Public())
	opts.Announce = nil
	got, err := w.ReplaceKey(t.Context(), testID, keyAge, opts)
	require.NoError(t, err)
	require.Zero(t, got.Written, "all was there")
	w.verify(to)
}

func TestReplaceKeyOnAStoreThatLies(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	to := newKeys(t, false)
	keyAge := wrapped(t, w.keyAge, w.old, to.recipient)
	w.lying.corrupt = true
	_, err := w.ReplaceKey(t.Context(), testID, keyAge, w.options(w.sums()))
	require.ErrorIs(t, err, fault.ShareCorrupted)
	w.lying.corrupt = false
	w.verify(w.old)
	w.lying.loseReply = true
	_, err = w.ReplaceKey(t.Context(), testID, keyAge, w.options(w.sums()))
	require.NoError(t, err)
	w.verify(to)
}

// TestReplaceKeyLaundersNothing: what is signed anew was signed before, and is what the
// ledger knows.
func TestReplaceKeyLaundersNothing(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	first := newKeys(t, false)
	oldest := content(t, w.folder)
	_, err := w.ReplaceKey(t.Context(), testID, wrapped(t, w.keyAge, w.old, first.recipient), w.options(w.sums()))
	require.NoError(t, err)
	ledger, whole := w.sums(), content(t, w.folder)
	keyAge := wrapped(t, w.keyAge, w.old, newKeys(t, false).recipient)
	stranger := newSigner(t)

	sums := func(change func([]byte) []byte) func(*testing.T) {
		return func(t *testing.T) {
			data, err := os.ReadFile(w.file(backup.SumsFile))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(w.file(backup.SumsFile), change(data), 0o600))
		}
	}
	flip := func(data []byte) []byte {
		data[0] = "0123456789abcdef"[(bytes.IndexByte([]byte("0123456789abcdef"), data[0])+1)%16]
		return data
	}
	sign := func(t *testing.T, by *seal.SigningKey, suffix string) {
		data, err := os.ReadFile(w.file(backup.SumsFile + suffix))
		require.NoError(t, err)
		signature, err := by.Sign(data)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(w.file(backup.SignatureFile+suffix), signature, 0o600))
	}
	plant := func(t *testing.T, suffix string) {
		for _, name := range changed {
			data := oldest["/"+backup.BackupPath(testID, testStart)+"/"+name]
			require.NotEmpty(t, data)
			require.NoError(t, os.WriteFile(w.file(name+suffix), []byte(data), 0o600))
		}
	}
	for name, tc := range map[string]struct {
		change func(t *testing.T)
		code   fault.Code
	}{
		"sums changed":         {sums(flip), fault.BackupForged},
		"signed by a stranger": {func(t *testing.T) { sums(flip)(t); sign(t, stranger, "") }, fault.BackupForged},
		"signature of another": {func(t *testing.T) { sign(t, stranger, "") }, fault.BackupForged},
		"no signature":         {func(t *testing.T) { require.NoError(t, os.Remove(w.file(backup.SignatureFile))) }, fault.BackupDamaged},
		"no sums":              {func(t *testing.T) { require.NoError(t, os.Remove(w.file(backup.SumsFile))) }, fault.BackupDamaged},
		"no key":               {func(t *testing.T) { require.NoError(t, os.Remove(w.file(backup.KeyFile))) }, fault.BackupDamaged},
		"another key":          {func(t *testing.T) { require.NoError(t, os.WriteFile(w.file(backup.KeyFile), w.keyAge, 0o600)) }, fault.BackupDamaged},
		"rolled back":          {func(t *testing.T) { plant(t, "") }, fault.BackupRolledBack},
		"rolled back, as the next": {func(t *testing.T) {
			plant(t, backup.NextSuffix)
			require.NoError(t, os.Remove(w.file(backup.SumsFile)))
		}, fault.BackupRolledBack},
		"next by a stranger": {func(t *testing.T) {
			plant(t, backup.NextSuffix)
			sign(t, stranger, backup.NextSuffix)
			require.NoError(t, os.Remove(w.file(backup.KeyFile)))
		}, fault.BackupForged},
	} {
		t.Run(name, func(t *testing.T) {
			restore(t, w.folder, whole)
			tc.change(t)
			tampered := content(t, w.folder)
			got, err := w.ReplaceKey(t.Context(), testID, keyAge, w.options(ledger))
			require.ErrorIs(t, err, tc.code)
			require.False(t, got.Changed)
			require.Equal(t, tampered, content(t, w.folder), "nothing was written")
		})
	}
	restore(t, w.folder, whole)
	opts := w.options(ledger)
	opts.Key = stranger
	_, err = w.ReplaceKey(t.Context(), testID, keyAge, opts)
	require.ErrorIs(t, err, fault.BackupForged, "nobody would trust the new signature")
	for _, data := range [][]byte{nil, []byte("hello"), append([]byte(ageHeader), make([]byte, seal.MaxKeyFile)...)} {
		_, err = w.ReplaceKey(t.Context(), testID, data, w.options(ledger))
		require.ErrorIs(t, err, fault.KeyInvalid)
	}
	_, err = w.ReplaceKey(t.Context(), "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", keyAge, w.options(ledger))
	require.ErrorIs(t, err, fault.BackupNotFound)
	require.Equal(t, whole, content(t, w.folder))
}

// TestReplaceKeyRemovesWhatLiesBeside: next files that nobody needs keep a backup from
// being verified.
func TestReplaceKeyRemovesWhatLiesBeside(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	require.NoError(t, os.WriteFile(w.file(backup.KeyFile+backup.NextSuffix), []byte("half of a"), 0o600))
	got, err := w.ReplaceKey(t.Context(), testID, w.keyAge, w.options(w.sums()))
	require.NoError(t, err)
	require.False(t, got.Changed)
	w.verify(w.old)
}
