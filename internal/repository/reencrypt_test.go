package repository

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

func (w *world) reencrypt(t *testing.T, to keys, change ...func(*ReencryptOptions)) (Reencrypted, error) {
	t.Helper()
	id, err := seal.OpenBackupKey(w.keyAge, []seal.Identity{w.old.identity})
	require.NoError(t, err)
	temp := t.TempDir()
	opts := ReencryptOptions{AllowedSigners: w.signers, Signer: w.signer.Fingerprint(), Temp: temp}
	for _, c := range change {
		c(&opts)
	}
	out, err := w.Reencrypt(t.Context(), testID, id, []seal.Recipient{to.recipient}, opts)
	left, readErr := os.ReadDir(temp)
	require.NoError(t, readErr)
	require.Empty(t, left, "nothing is left on the local disk")
	return out, err
}

func (w *world) swapOptions(staged, sums string) SwapOptions {
	return SwapOptions{Key: w.signer, AllowedSigners: w.signers, Staged: staged, Sums: sums}
}

func (w *world) staged(name string) string {
	return filepath.Join(w.folder, backup.StagingPath(testID), name)
}

// plain decrypts every file of the backup.
func (w *world) plain(t *testing.T, k keys) map[string]string {
	t.Helper()
	id, err := w.open(testID, k)
	require.NoError(t, err)
	b, err := w.Open(t.Context(), testID)
	require.NoError(t, err)
	all := map[string]string{}
	for _, file := range b.Manifest().Files {
		data, err := os.ReadFile(w.file(file.Name))
		require.NoError(t, err)
		r, err := seal.Decrypt(strings.NewReader(string(data)), id)
		require.NoError(t, err)
		text := &strings.Builder{}
		buf := make([]byte, 1<<10)
		for err == nil {
			var n int
			n, err = r.Read(buf)
			text.Write(buf[:n])
		}
		require.EqualError(t, err, "EOF")
		all[file.Name] = text.String()
	}
	require.Len(t, all, 3)
	return all
}

func TestReencryptAndSwap(t *testing.T) {
	for name, to := range map[string]keys{"X25519": newKeys(t, false), "RSA": rsaKeys(), "hybrid": newKeys(t, true)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.make(testID, testStart)
			before, ledger, plain, files := w.backup(t), w.sums(), w.plain(t, w.old), content(t, w.folder)
			last := map[string]int64{}
			staged, err := w.reencrypt(t, to, func(o *ReencryptOptions) {
				o.Sums = ledger
				o.Progress = func(file string, done, total int64) {
					require.LessOrEqual(t, done, total)
					require.GreaterOrEqual(t, done, last[file])
					last[file] = done
				}
			})
			require.NoError(t, err)
			require.Len(t, last, 3)
			require.Equal(t, files, without(content(t, w.folder), "/"+backup.StagingDir), "the backup is as it was")
			require.NoFileExists(t, w.staged(backup.SignatureFile))
			listing, err := w.List(t.Context(), 0)
			require.NoError(t, err)
			require.Len(t, listing.Backups, 1)

			got, err := w.Swap(t.Context(), testID, w.swapOptions(staged.Sums, ledger))
			require.NoError(t, err)
			require.Equal(t, Swapped{Folder: w.at(backup.BackupPath(testID, testStart)), Sums: staged.Sums, Changed: true}, got)
			require.Equal(t, staged.Sums, w.sums())
			w.verify(to)
			require.Equal(t, plain, w.plain(t, to))
			_, err = w.open(testID, w.old)
			require.ErrorIs(t, err, fault.KeyDoesNotFit)
			after := w.backup(t)
			require.Equal(t, staged.BackupKey, after.BackupKey)
			require.Equal(t, to.recipient.Kind == seal.KindHybrid, strings.HasPrefix(after.BackupKey, "age1pq1"))
			require.Equal(t, []backup.Recipient{{Kind: to.recipient.Kind, Fingerprint: to.recipient.Fingerprint}}, after.Recipients)
			require.Equal(t, staged.Bytes, after.TotalBytes)
			require.NotEqual(t, before.BackupKey, after.BackupKey)
			require.Equal(t, before.FinishedAt, after.FinishedAt)

			again, err := w.Swap(t.Context(), testID, w.swapOptions(staged.Sums, ledger))
			require.NoError(t, err)
			require.Equal(t, Swapped{Folder: got.Folder, Sums: got.Sums}, again)
			require.Empty(t, content(t, filepath.Join(w.folder, backup.StagingDir)))
		})
	}
}

// TestReencryptLeavesNothingWhenKilled: whoever kills the command finds no file in its
// folder for temporary files, at whatever moment.
func TestReencryptLeavesNothingWhenKilled(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	looks := 0
	var seen []os.DirEntry
	_, err := w.reencrypt(t, newKeys(t, false), func(o *ReencryptOptions) {
		o.Progress = func(string, int64, int64) {
			there, err := os.ReadDir(o.Temp)
			assert.NoError(t, err)
			seen = append(seen, there...)
			looks++
		}
	})
	require.NoError(t, err)
	require.Positive(t, looks)
	require.Empty(t, seen)
}

func TestReencryptRemovesWhatTheDeadLeft(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	id, err := w.open(testID, w.old)
	require.NoError(t, err)
	temp := t.TempDir()
	others := []string{"infrabackup-reencrypt-notes.txt", "infrabackup-12", "12"}
	for _, name := range append(others, "infrabackup-reencrypt-1234567", "infrabackup-reencrypt-89") {
		require.NoError(t, touch(filepath.Join(temp, name)))
	}
	require.NoError(t, os.Mkdir(filepath.Join(temp, "infrabackup-reencrypt-5"), 0o700))
	_, err = w.Reencrypt(t.Context(), testID, id, []seal.Recipient{newKeys(t, false).recipient},
		ReencryptOptions{AllowedSigners: w.signers, Signer: w.signer.Fingerprint(), Temp: temp})
	require.NoError(t, err)
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	var names []string
	for _, entry := range left {
		names = append(names, entry.Name())
	}
	require.ElementsMatch(t, append(others, "infrabackup-reencrypt-5"), names)
}

func (w *world) backup(t *testing.T) *backup.Manifest {
	t.Helper()
	b, err := w.Open(t.Context(), testID)
	require.NoError(t, err)
	return b.Manifest()
}

// without leaves out what lies below a folder.
func without(files map[string]string, folder string) map[string]string {
	for name := range files {
		if strings.HasPrefix(name, folder+"/") {
			delete(files, name)
		}
	}
	return files
}

// TestReencryptTrustsNothingUnsigned: nothing of a changed backup reaches staging/.
func TestReencryptTrustsNothingUnsigned(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	whole, to := content(t, w.folder), newKeys(t, false)
	damage := func(name string, change func([]byte) []byte) func(*testing.T) {
		return func(t *testing.T) {
			data, err := os.ReadFile(w.file(name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(w.file(name), change(data), 0o600))
		}
	}
	flip := func(data []byte) []byte { data[len(data)/2] ^= 1; return data }
	longer := func(data []byte) []byte { return append(data, 0) }
	shorter := func(data []byte) []byte { return data[:len(data)-1] }
	ca := backup.PartFile(backup.CA)
	for name, tc := range map[string]struct {
		change  func(*testing.T)
		options func(*ReencryptOptions)
		code    fault.Code
	}{
		"part changed":   {change: damage(ca, flip), code: fault.BackupDamaged},
		"part longer":    {change: damage(ca, longer), code: fault.BackupDamaged},
		"part shorter":   {change: damage(ca, shorter), code: fault.BackupDamaged},
		"part exchanged": {change: func(t *testing.T) { w.forgePart(t, ca) }, code: fault.BackupDamaged},
		"part missing":   {change: func(t *testing.T) { require.NoError(t, os.Remove(w.file(ca))) }, code: fault.BackupDamaged},
		"catalogue":      {change: damage(backup.CatalogFile, flip), code: fault.BackupDamaged},
		"manifest":       {change: damage(backup.ManifestFile, flip), code: fault.BackupDamaged},
		"sums":           {change: damage(backup.SumsFile, flip), code: fault.BackupForged},
		"signature":      {change: damage(backup.SignatureFile, flip), code: fault.BackupForged},
		"no signature":   {change: func(t *testing.T) { require.NoError(t, os.Remove(w.file(backup.SignatureFile))) }, code: fault.BackupForged},
		"no sums":        {change: func(t *testing.T) { require.NoError(t, os.Remove(w.file(backup.SumsFile))) }, code: fault.BackupDamaged},
		"other signers":  {options: func(o *ReencryptOptions) { o.AllowedSigners = []byte(seal.AllowedSignersLine(newSigner(t).Public())) }, code: fault.BackupForged},
		"another state":  {options: func(o *ReencryptOptions) { o.Sums = "ab" }, code: fault.BackupRolledBack},
		"no room":        {options: func(o *ReencryptOptions) { o.Temp = filepath.Join(o.Temp, "none") }, code: fault.SpoolIO},
		"nobody signs":   {options: func(o *ReencryptOptions) { o.Signer = "" }, code: fault.Internal},
		"rewrap underway": {change: func(t *testing.T) {
			require.NoError(t, os.Rename(w.file(backup.SumsFile), w.file(backup.SumsFile+backup.NextSuffix)))
		}, code: fault.RewrapUnfinished},
	} {
		t.Run(name, func(t *testing.T) {
			restore(t, w.folder, whole)
			if tc.change != nil {
				tc.change(t)
			}
			_, err := w.reencrypt(t, to, func(o *ReencryptOptions) {
				if tc.options != nil {
					tc.options(o)
				}
			})
			require.ErrorIs(t, err, tc.code)
			require.NoDirExists(t, w.staged(""))
		})
	}
	restore(t, w.folder, whole)
	_, err := w.Reencrypt(t.Context(), testID, to.identity, []seal.Recipient{to.recipient}, ReencryptOptions{AllowedSigners: w.signers, Signer: "x", Temp: t.TempDir()})
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
	id, err := w.open(testID, w.old)
	require.NoError(t, err)
	_, err = w.Reencrypt(t.Context(), testID, id, nil, ReencryptOptions{AllowedSigners: w.signers, Signer: "x", Temp: t.TempDir()})
	require.ErrorIs(t, err, fault.KeyInvalid)
	_, err = w.Reencrypt(t.Context(), "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", id, nil, ReencryptOptions{Signer: "x"})
	require.ErrorIs(t, err, fault.BackupNotFound)
	w.lying.corrupt = true
	_, err = w.reencrypt(t, to)
	require.ErrorIs(t, err, fault.ShareCorrupted)
	w.lying.corrupt = false
	require.NoDirExists(t, w.staged(""))
	w.verify(w.old)
}

// forgePart puts a part there that the backup key opens, since its public half is no
// secret.
func (w *world) forgePart(t *testing.T, name string) {
	t.Helper()
	size := len(content(t, w.file(name))[""])
	forged := &strings.Builder{}
	out, err := seal.Encrypt(forged, w.backup(t).BackupKey)
	require.NoError(t, err)
	_, err = out.Write([]byte("forged"))
	require.NoError(t, err)
	require.NoError(t, out.Close())
	require.Less(t, forged.Len(), size)
	require.NoError(t, os.WriteFile(w.file(name), []byte(forged.String()), 0o600))
}

func TestReencryptDies(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	whole, to, ledger := content(t, w.folder), newKeys(t, false), w.sums()
	deathsOf(t, w.store, []bool{false}, func() { restore(t, w.folder, whole) }, func() error {
		_, err := w.reencrypt(t, to)
		return err
	}, func(t *testing.T) {
		require.Equal(t, whole, without(content(t, w.folder), "/"+backup.StagingDir))
		staged, err := w.reencrypt(t, to)
		require.NoError(t, err)
		_, err = w.Swap(t.Context(), testID, w.swapOptions(staged.Sums, ledger))
		require.NoError(t, err)
		w.verifyWith(t, to, w.signers, testID)
	})
}

func TestSwapDies(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	to, ledger := newKeys(t, false), w.sums()
	staged, err := w.reencrypt(t, to)
	require.NoError(t, err)
	whole := content(t, w.folder)
	everyDeath(t, w.store, func() { restore(t, w.folder, whole) }, func() error {
		_, err := w.Swap(t.Context(), testID, w.swapOptions(staged.Sums, ledger))
		return err
	}, func(t *testing.T) {
		if id, err := w.open(testID, w.old, to); err == nil {
			require.NotEmpty(t, id.Public())
		} else {
			require.ErrorIs(t, err, fault.BackupNotFound)
			require.FileExists(t, w.staged(backup.SignatureFile), "it is whole, if not in its place")
		}
		got, err := w.Swap(t.Context(), testID, w.swapOptions(staged.Sums, ledger))
		require.NoError(t, err)
		require.Equal(t, staged.Sums, got.Sums)
		require.Empty(t, content(t, filepath.Join(w.folder, backup.StagingDir)))
		w.verifyWith(t, to, w.signers, testID)
		_, err = w.open(testID, w.old)
		require.ErrorIs(t, err, fault.KeyDoesNotFit)
	})
}

func TestSwapSignsNothingElse(t *testing.T) {
	w := newWorld(t)
	w.make(testID, testStart)
	to, ledger := newKeys(t, false), w.sums()
	staged, err := w.reencrypt(t, to)
	require.NoError(t, err)
	whole := content(t, w.folder)
	stranger := newSigner(t)
	good := w.swapOptions(staged.Sums, ledger)

	// rewrite changes the staged manifest, and the sums so that they fit.
	rewrite := func(change func(*backup.Manifest)) func(*testing.T, *SwapOptions) {
		return func(t *testing.T, opts *SwapOptions) {
			f, err := os.Open(w.staged(backup.ManifestFile))
			require.NoError(t, err)
			m, err := backup.DecodeManifest(f)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			change(m)
			encoded, err := m.Encode()
			require.NoError(t, err)
			keyAge, err := os.ReadFile(w.staged(backup.KeyFile))
			require.NoError(t, err)
			sums := backup.EncodeSums(append(m.Files, describe(backup.ManifestFile, encoded), describe(backup.KeyFile, keyAge)))
			require.NoError(t, os.WriteFile(w.staged(backup.ManifestFile), encoded, 0o600))
			require.NoError(t, os.WriteFile(w.staged(backup.SumsFile), sums, 0o600))
			opts.Staged = describe("", sums).SHA256
		}
	}
	write := func(path, data string) func(*testing.T, *SwapOptions) {
		return func(t *testing.T, _ *SwapOptions) { require.NoError(t, os.WriteFile(path, []byte(data), 0o600)) }
	}
	for name, tc := range map[string]struct {
		change func(*testing.T, *SwapOptions)
		code   fault.Code
	}{
		"nothing staged": {func(t *testing.T, _ *SwapOptions) { require.NoError(t, os.RemoveAll(w.staged(""))) }, fault.BackupNotFound},
		"not announced":  {func(_ *testing.T, o *SwapOptions) { o.Staged = "" }, fault.BackupForged},
		"forged": {func(t *testing.T, _ *SwapOptions) {
			rewrite(func(m *backup.Manifest) { m.RequestedBy = "mallory" })(t, &SwapOptions{})
		}, fault.BackupForged},
		"rolled back": {func(_ *testing.T, o *SwapOptions) { o.Sums = ledger[1:] + "0" }, fault.BackupRolledBack},
		"other signers": {func(_ *testing.T, o *SwapOptions) {
			o.AllowedSigners = []byte(seal.AllowedSignersLine(stranger.Public()))
		}, fault.BackupForged},
		"strange key":       {func(_ *testing.T, o *SwapOptions) { o.Key = stranger }, fault.BackupForged},
		"backup's sums":     {write(w.file(backup.SumsFile), "x"), fault.BackupForged},
		"backup's manifest": {write(w.file(backup.ManifestFile), "x"), fault.BackupDamaged},
		"part changed":      {write(w.staged(backup.PartFile(backup.AD)), "x"), fault.BackupDamaged},
		"key changed":       {write(w.staged(backup.KeyFile), "x"), fault.BackupDamaged},
		"part missing": {func(t *testing.T, _ *SwapOptions) {
			require.NoError(t, os.Remove(w.staged(backup.PartFile(backup.AD))))
		}, fault.BackupDamaged},
		"another id":       {rewrite(func(m *backup.Manifest) { m.BackupID = "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11" }), fault.BackupDamaged},
		"another instance": {rewrite(func(m *backup.Manifest) { m.Instance.Name = "prod" }), fault.BackupDamaged},
		"another start":    {rewrite(func(m *backup.Manifest) { m.StartedAt = m.StartedAt.AddDate(0, 0, 1) }), fault.BackupDamaged},
		"other items":      {rewrite(func(m *backup.Manifest) { m.Services[0].Items++ }), fault.BackupDamaged},
		"fewer services":   {rewrite(func(m *backup.Manifest) { m.Services = m.Services[:2] }), fault.BackupDamaged},
		"fewer files":      {rewrite(func(m *backup.Manifest) { m.Files = m.Files[:2] }), fault.BackupDamaged},
		"another signer":   {rewrite(func(m *backup.Manifest) { m.Signer = stranger.Fingerprint() }), fault.BackupDamaged},
		"the same key":     {rewrite(func(m *backup.Manifest) { m.BackupKey = w.backup(t).BackupKey }), fault.BackupDamaged},
		"other sizes":      {rewrite(func(m *backup.Manifest) { m.Files[0].Size++; m.Services[0].Bytes++; m.TotalBytes++ }), fault.BackupDamaged},
		"another total":    {rewrite(func(m *backup.Manifest) { m.TotalBytes++ }), fault.BackupDamaged},
		"two sizes":        {rewrite(func(m *backup.Manifest) { m.Services[0].Bytes++ }), fault.BackupDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			restore(t, w.folder, whole)
			opts := good
			tc.change(t, &opts)
			tampered := without(content(t, w.folder), "/"+backup.StagingDir)
			got, err := w.Swap(t.Context(), testID, opts)
			require.ErrorIs(t, err, tc.code)
			require.False(t, got.Changed)
			require.Equal(t, tampered, without(content(t, w.folder), "/"+backup.StagingDir), "the backup is as it was")
		})
	}

	// What goes wrong between the two renames gives the backup its place back.
	for name, tc := range map[string]struct {
		change func(*testing.T, *SwapOptions)
		code   fault.Code
	}{
		"copy changed": {write(w.staged(backup.PartFile(backup.AD)), "x"), fault.BackupDamaged},
		"copy gone":    {func(t *testing.T, _ *SwapOptions) { require.NoError(t, os.RemoveAll(w.staged(""))) }, fault.BackupNotFound},
	} {
		t.Run("in between, "+name, func(t *testing.T) {
			restore(t, w.folder, whole)
			require.NoError(t, os.Rename(w.file(""), w.staged("")+oldSuffix))
			opts := good
			tc.change(t, &opts)
			_, err := w.Swap(t.Context(), testID, opts)
			require.ErrorIs(t, err, tc.code)
			w.verifyWith(t, w.old, w.signers, testID)
		})
	}
	restore(t, w.folder, whole)
	w.lying.corrupt = true
	_, err = w.Swap(t.Context(), testID, good)
	require.ErrorIs(t, err, fault.ShareCorrupted)
	w.lying.corrupt = false
	w.verify(w.old)
	_, err = w.Swap(t.Context(), "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", good)
	require.ErrorIs(t, err, fault.BackupNotFound)
}
