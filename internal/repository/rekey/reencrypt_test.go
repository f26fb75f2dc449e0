package rekey_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/rekey"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/sharetest"
)

func (w *rekeyFixture) reencrypt(t *testing.T, to keys, change ...func(*rekey.ReencryptOptions)) (rekey.Reencrypted, error) {
	t.Helper()
	id, err := seal.OpenBackupKey(w.KeyAge, []seal.Identity{w.Old.Identity})
	require.NoError(t, err)
	temp := t.TempDir()
	opts := rekey.ReencryptOptions{AllowedSigners: w.Signers, Signer: w.Signer.Fingerprint(), Temp: temp}
	for _, c := range change {
		c(&opts)
	}
	out, err := rekey.Reencrypt(t.Context(), w.Repository, repositorytest.ID, id, []seal.Recipient{to.Recipient}, opts)
	left, readErr := os.ReadDir(temp)
	require.NoError(t, readErr)
	require.Empty(t, left, "nothing is left on the local disk")
	return out, err
}

func (w *rekeyFixture) swapOptions(staged, sums string) rekey.SwapOptions {
	return rekey.SwapOptions{Key: w.Signer, AllowedSigners: w.Signers, Staged: staged, Sums: sums}
}

func (w *rekeyFixture) staged(name string) string {
	return filepath.Join(w.Folder, backup.StagingPath(repositorytest.ID), name)
}

// plain decrypts every file of the backup.
func (w *rekeyFixture) plain(t *testing.T, k keys) map[string]string {
	t.Helper()
	id, err := w.Unlock(repositorytest.ID, k)
	require.NoError(t, err)
	b, err := w.Open(t.Context(), backup.Ref{ID: repositorytest.ID})
	require.NoError(t, err)
	all := map[string]string{}
	for _, file := range b.Manifest().Files {
		data, err := os.ReadFile(w.File(file.Name))
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
	for name, to := range map[string]keys{"X25519": repositorytest.NewKeys(t, false), "RSA": repositorytest.RSAKeys(), "hybrid": repositorytest.NewKeys(t, true)} {
		t.Run(name, func(t *testing.T) {
			w := newRekeyFixture(t)
			w.Make(repositorytest.ID, repositorytest.Start)
			before, ledger, plain, files := w.backup(t), w.Sums(), w.plain(t, w.Old), repositorytest.Content(t, w.Folder)
			last := map[string]int64{}
			staged, err := w.reencrypt(t, to, func(o *rekey.ReencryptOptions) {
				o.Sums = ledger
				o.Progress = func(file string, done, total int64) {
					require.LessOrEqual(t, done, total)
					require.GreaterOrEqual(t, done, last[file])
					last[file] = done
				}
			})
			require.NoError(t, err)
			require.Len(t, last, 3)
			require.Equal(t, files, repositorytest.Without(repositorytest.Content(t, w.Folder), "/"+backup.StagingDir), "the backup is as it was")
			require.NoFileExists(t, w.staged(backup.SignatureFile))
			listing, err := w.List(t.Context(), 0)
			require.NoError(t, err)
			require.Len(t, listing.Backups, 1)

			got, err := rekey.Swap(t.Context(), w.Repository, repositorytest.ID, w.swapOptions(staged.Sums, ledger))
			require.NoError(t, err)
			require.Equal(t, rekey.Swapped{Folder: w.Files().At(backup.BackupPath(repositorytest.ID, repositorytest.Start)), Sums: staged.Sums, Changed: true}, got)
			require.Equal(t, staged.Sums, w.Sums())
			w.Verify(to)
			require.Equal(t, plain, w.plain(t, to))
			_, err = w.Unlock(repositorytest.ID, w.Old)
			require.ErrorIs(t, err, fault.KeyDoesNotFit)
			after := w.backup(t)
			require.Equal(t, staged.BackupKey, after.BackupKey)
			require.Equal(t, to.Recipient.Kind == seal.KindHybrid, strings.HasPrefix(after.BackupKey, "age1pq1"))
			require.Equal(t, []backup.Recipient{{Kind: to.Recipient.Kind, Fingerprint: to.Recipient.Fingerprint}}, after.Recipients)
			require.Equal(t, staged.Bytes, after.TotalBytes)
			require.NotEqual(t, before.BackupKey, after.BackupKey)
			require.Equal(t, before.FinishedAt, after.FinishedAt)

			again, err := rekey.Swap(t.Context(), w.Repository, repositorytest.ID, w.swapOptions(staged.Sums, ledger))
			require.NoError(t, err)
			require.Equal(t, rekey.Swapped{Folder: got.Folder, Sums: got.Sums}, again)
			require.Empty(t, repositorytest.Content(t, filepath.Join(w.Folder, backup.StagingDir)))
		})
	}
}

// TestReencryptLeavesNothingWhenKilled: whoever kills the command finds no file in its
// folder for temporary files, at whatever moment.
func TestReencryptLeavesNothingWhenKilled(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	looks := 0
	var seen []os.DirEntry
	_, err := w.reencrypt(t, repositorytest.NewKeys(t, false), func(o *rekey.ReencryptOptions) {
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
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	id, err := w.Unlock(repositorytest.ID, w.Old)
	require.NoError(t, err)
	temp := t.TempDir()
	others := []string{"infrabackup-reencrypt-notes.txt", "infrabackup-12", "12"}
	for _, name := range append(others, "infrabackup-reencrypt-1234567", "infrabackup-reencrypt-89") {
		require.NoError(t, repositorytest.Touch(filepath.Join(temp, name)))
	}
	require.NoError(t, os.Mkdir(filepath.Join(temp, "infrabackup-reencrypt-5"), 0o700))
	_, err = rekey.Reencrypt(t.Context(), w.Repository, repositorytest.ID, id, []seal.Recipient{repositorytest.NewKeys(t, false).Recipient},
		rekey.ReencryptOptions{AllowedSigners: w.Signers, Signer: w.Signer.Fingerprint(), Temp: temp})
	require.NoError(t, err)
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	var names []string
	for _, entry := range left {
		names = append(names, entry.Name())
	}
	require.ElementsMatch(t, append(others, "infrabackup-reencrypt-5"), names)
}

func (w *rekeyFixture) backup(t *testing.T) *backup.Manifest {
	t.Helper()
	b, err := w.Open(t.Context(), backup.Ref{ID: repositorytest.ID})
	require.NoError(t, err)
	return b.Manifest()
}

// TestReencryptTrustsNothingUnsigned: nothing of a changed backup reaches staging/.
func TestReencryptTrustsNothingUnsigned(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	whole, to := repositorytest.Content(t, w.Folder), repositorytest.NewKeys(t, false)
	damage := func(name string, change func([]byte) []byte) func(*testing.T) {
		return func(t *testing.T) {
			data, err := os.ReadFile(w.File(name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(w.File(name), change(data), 0o600))
		}
	}
	flip := func(data []byte) []byte { data[len(data)/2] ^= 1; return data }
	longer := func(data []byte) []byte { return append(data, 0) }
	shorter := func(data []byte) []byte { return data[:len(data)-1] }
	ca := backup.PartFile(backup.CA)
	for name, tc := range map[string]struct {
		change  func(*testing.T)
		options func(*rekey.ReencryptOptions)
		code    fault.Code
	}{
		"part changed":   {change: damage(ca, flip), code: fault.BackupDamaged},
		"part longer":    {change: damage(ca, longer), code: fault.BackupDamaged},
		"part shorter":   {change: damage(ca, shorter), code: fault.BackupDamaged},
		"part exchanged": {change: func(t *testing.T) { w.forgePart(t, ca) }, code: fault.BackupDamaged},
		"part missing":   {change: func(t *testing.T) { require.NoError(t, os.Remove(w.File(ca))) }, code: fault.BackupDamaged},
		"catalog":        {change: damage(backup.CatalogFile, flip), code: fault.BackupDamaged},
		"manifest":       {change: damage(backup.ManifestFile, flip), code: fault.BackupDamaged},
		"sums":           {change: damage(backup.SumsFile, flip), code: fault.BackupForged},
		"signature":      {change: damage(backup.SignatureFile, flip), code: fault.BackupForged},
		"no signature":   {change: func(t *testing.T) { require.NoError(t, os.Remove(w.File(backup.SignatureFile))) }, code: fault.BackupForged},
		"no sums":        {change: func(t *testing.T) { require.NoError(t, os.Remove(w.File(backup.SumsFile))) }, code: fault.BackupDamaged},
		"other signers": {options: func(o *rekey.ReencryptOptions) {
			o.AllowedSigners = []byte(seal.AllowedSignersLine(repositorytest.SigningKey(t).Public()))
		}, code: fault.BackupForged},
		"another state": {options: func(o *rekey.ReencryptOptions) { o.Sums = "ab" }, code: fault.BackupRolledBack},
		"no room":       {options: func(o *rekey.ReencryptOptions) { o.Temp = filepath.Join(o.Temp, "none") }, code: fault.SpoolIO},
		"nobody signs":  {options: func(o *rekey.ReencryptOptions) { o.Signer = "" }, code: fault.Internal},
		"rewrap underway": {change: func(t *testing.T) {
			require.NoError(t, os.Rename(w.File(backup.SumsFile), w.File(backup.SumsFile+backup.NextSuffix)))
		}, code: fault.RewrapUnfinished},
	} {
		t.Run(name, func(t *testing.T) {
			repositorytest.RestoreTree(t, w.Folder, whole)
			if tc.change != nil {
				tc.change(t)
			}
			_, err := w.reencrypt(t, to, func(o *rekey.ReencryptOptions) {
				if tc.options != nil {
					tc.options(o)
				}
			})
			require.ErrorIs(t, err, tc.code)
			require.NoDirExists(t, w.staged(""))
		})
	}
	repositorytest.RestoreTree(t, w.Folder, whole)
	_, err := rekey.Reencrypt(t.Context(), w.Repository, repositorytest.ID, to.Identity, []seal.Recipient{to.Recipient}, rekey.ReencryptOptions{AllowedSigners: w.Signers, Signer: "x", Temp: t.TempDir()})
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
	id, err := w.Unlock(repositorytest.ID, w.Old)
	require.NoError(t, err)
	_, err = rekey.Reencrypt(t.Context(), w.Repository, repositorytest.ID, id, nil, rekey.ReencryptOptions{AllowedSigners: w.Signers, Signer: "x", Temp: t.TempDir()})
	require.ErrorIs(t, err, fault.KeyInvalid)
	_, err = rekey.Reencrypt(t.Context(), w.Repository, "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", id, nil, rekey.ReencryptOptions{Signer: "x"})
	require.ErrorIs(t, err, fault.BackupNotFound)
	w.Lying.Corrupt = true
	_, err = w.reencrypt(t, to)
	require.ErrorIs(t, err, fault.ShareCorrupted)
	w.Lying.Corrupt = false
	require.NoDirExists(t, w.staged(""))
	w.Verify(w.Old)
}

// forgePart puts a part there that the backup key opens, since its public half is no
// secret.
func (w *rekeyFixture) forgePart(t *testing.T, name string) {
	t.Helper()
	size := len(repositorytest.Content(t, w.File(name))[""])
	forged := &strings.Builder{}
	out, err := seal.Encrypt(forged, w.backup(t).BackupKey)
	require.NoError(t, err)
	_, err = out.Write([]byte("forged"))
	require.NoError(t, err)
	require.NoError(t, out.Close())
	require.Less(t, forged.Len(), size)
	require.NoError(t, os.WriteFile(w.File(name), []byte(forged.String()), 0o600))
}

func TestReencryptDies(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	whole, to, ledger := repositorytest.Content(t, w.Folder), repositorytest.NewKeys(t, false), w.Sums()
	sharetest.CrashesOf(t, w.Store, []bool{false}, func() { repositorytest.RestoreTree(t, w.Folder, whole) }, func() error {
		_, err := w.reencrypt(t, to)
		return err
	}, func(t *testing.T) {
		require.Equal(t, whole, repositorytest.Without(repositorytest.Content(t, w.Folder), "/"+backup.StagingDir))
		staged, err := w.reencrypt(t, to)
		require.NoError(t, err)
		_, err = rekey.Swap(t.Context(), w.Repository, repositorytest.ID, w.swapOptions(staged.Sums, ledger))
		require.NoError(t, err)
		repositorytest.VerifyWith(t, w.Repository, to, w.Signers, repositorytest.ID)
	})
}

func TestSwapDies(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	to, ledger := repositorytest.NewKeys(t, false), w.Sums()
	staged, err := w.reencrypt(t, to)
	require.NoError(t, err)
	whole := repositorytest.Content(t, w.Folder)
	sharetest.EveryCrash(t, w.Store, func() { repositorytest.RestoreTree(t, w.Folder, whole) }, func() error {
		_, err := rekey.Swap(t.Context(), w.Repository, repositorytest.ID, w.swapOptions(staged.Sums, ledger))
		return err
	}, func(t *testing.T) {
		if id, err := w.Unlock(repositorytest.ID, w.Old, to); err == nil {
			require.NotEmpty(t, id.Public())
		} else {
			require.ErrorIs(t, err, fault.BackupNotFound)
			require.FileExists(t, w.staged(backup.SignatureFile), "it is whole, if not in its place")
		}
		got, err := rekey.Swap(t.Context(), w.Repository, repositorytest.ID, w.swapOptions(staged.Sums, ledger))
		require.NoError(t, err)
		require.Equal(t, staged.Sums, got.Sums)
		require.Empty(t, repositorytest.Content(t, filepath.Join(w.Folder, backup.StagingDir)))
		repositorytest.VerifyWith(t, w.Repository, to, w.Signers, repositorytest.ID)
		_, err = w.Unlock(repositorytest.ID, w.Old)
		require.ErrorIs(t, err, fault.KeyDoesNotFit)
	})
}

func TestSwapSignsNothingElse(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	to, ledger := repositorytest.NewKeys(t, false), w.Sums()
	staged, err := w.reencrypt(t, to)
	require.NoError(t, err)
	whole := repositorytest.Content(t, w.Folder)
	stranger := repositorytest.SigningKey(t)
	good := w.swapOptions(staged.Sums, ledger)

	// rewrite changes the staged manifest, and the sums so that they fit.
	rewrite := func(change func(*backup.Manifest)) func(*testing.T, *rekey.SwapOptions) {
		return func(t *testing.T, opts *rekey.SwapOptions) {
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
			sums := backup.EncodeSums(append(m.Files, folder.Describe(backup.ManifestFile, encoded), folder.Describe(backup.KeyFile, keyAge)))
			require.NoError(t, os.WriteFile(w.staged(backup.ManifestFile), encoded, 0o600))
			require.NoError(t, os.WriteFile(w.staged(backup.SumsFile), sums, 0o600))
			opts.Staged = folder.Describe("", sums).SHA256
		}
	}
	write := func(path, data string) func(*testing.T, *rekey.SwapOptions) {
		return func(t *testing.T, _ *rekey.SwapOptions) {
			require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
		}
	}
	for name, tc := range map[string]struct {
		change func(*testing.T, *rekey.SwapOptions)
		code   fault.Code
	}{
		"nothing staged": {func(t *testing.T, _ *rekey.SwapOptions) { require.NoError(t, os.RemoveAll(w.staged(""))) }, fault.BackupNotFound},
		"not announced":  {func(_ *testing.T, o *rekey.SwapOptions) { o.Staged = "" }, fault.BackupForged},
		"forged": {func(t *testing.T, _ *rekey.SwapOptions) {
			rewrite(func(m *backup.Manifest) { m.RequestedBy = "mallory" })(t, &rekey.SwapOptions{})
		}, fault.BackupForged},
		"rolled back": {func(_ *testing.T, o *rekey.SwapOptions) { o.Sums = ledger[1:] + "0" }, fault.BackupRolledBack},
		"other signers": {func(_ *testing.T, o *rekey.SwapOptions) {
			o.AllowedSigners = []byte(seal.AllowedSignersLine(stranger.Public()))
		}, fault.BackupForged},
		"strange key":       {func(_ *testing.T, o *rekey.SwapOptions) { o.Key = stranger }, fault.BackupForged},
		"backup's sums":     {write(w.File(backup.SumsFile), "x"), fault.BackupForged},
		"backup's manifest": {write(w.File(backup.ManifestFile), "x"), fault.BackupDamaged},
		"part changed":      {write(w.staged(backup.PartFile(backup.AD)), "x"), fault.BackupDamaged},
		"key changed":       {write(w.staged(backup.KeyFile), "x"), fault.BackupDamaged},
		"part missing": {func(t *testing.T, _ *rekey.SwapOptions) {
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
			repositorytest.RestoreTree(t, w.Folder, whole)
			opts := good
			tc.change(t, &opts)
			tampered := repositorytest.Without(repositorytest.Content(t, w.Folder), "/"+backup.StagingDir)
			got, err := rekey.Swap(t.Context(), w.Repository, repositorytest.ID, opts)
			require.ErrorIs(t, err, tc.code)
			require.False(t, got.Changed)
			require.Equal(t, tampered, repositorytest.Without(repositorytest.Content(t, w.Folder), "/"+backup.StagingDir), "the backup is as it was")
		})
	}

	// What goes wrong between the two renames gives the backup its place back.
	for name, tc := range map[string]struct {
		change func(*testing.T, *rekey.SwapOptions)
		code   fault.Code
	}{
		"copy changed": {write(w.staged(backup.PartFile(backup.AD)), "x"), fault.BackupDamaged},
		"copy gone":    {func(t *testing.T, _ *rekey.SwapOptions) { require.NoError(t, os.RemoveAll(w.staged(""))) }, fault.BackupNotFound},
	} {
		t.Run("in between, "+name, func(t *testing.T) {
			repositorytest.RestoreTree(t, w.Folder, whole)
			require.NoError(t, os.Rename(w.File(""), w.staged("")+backup.OldSuffix))
			opts := good
			tc.change(t, &opts)
			_, err := rekey.Swap(t.Context(), w.Repository, repositorytest.ID, opts)
			require.ErrorIs(t, err, tc.code)
			repositorytest.VerifyWith(t, w.Repository, w.Old, w.Signers, repositorytest.ID)
		})
	}
	repositorytest.RestoreTree(t, w.Folder, whole)
	w.Lying.Corrupt = true
	_, err = rekey.Swap(t.Context(), w.Repository, repositorytest.ID, good)
	require.ErrorIs(t, err, fault.ShareCorrupted)
	w.Lying.Corrupt = false
	w.Verify(w.Old)
	_, err = rekey.Swap(t.Context(), w.Repository, "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", good)
	require.ErrorIs(t, err, fault.BackupNotFound)
}

// TestRevokeGoesOnAfterItWasClearedAway: who comes back after a long time is told that
// there is nothing to swap, and begins again.
func TestRevokeGoesOnAfterItWasClearedAway(t *testing.T) {
	w := newRekeyFixture(t)
	w.Make(repositorytest.ID, repositorytest.Start)
	staged, err := w.reencrypt(t, repositorytest.NewKeys(t, false))
	require.NoError(t, err)
	require.NoError(t, w.Begin(t.Context(), "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"))
	require.DirExists(t, w.staged(""), "a revoke is under way")
	w.Age(8 * 24 * time.Hour)
	require.NoError(t, w.Begin(t.Context(), "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"))
	require.NoDirExists(t, w.staged(""))
	_, err = rekey.Swap(t.Context(), w.Repository, repositorytest.ID, w.swapOptions(staged.Sums, w.Sums()))
	require.ErrorIs(t, err, fault.BackupNotFound)
	w.Verify(w.Old)
	to := repositorytest.NewKeys(t, true)
	staged, err = w.reencrypt(t, to)
	require.NoError(t, err)
	_, err = rekey.Swap(t.Context(), w.Repository, repositorytest.ID, w.swapOptions(staged.Sums, w.Sums()))
	require.NoError(t, err)
	w.Verify(to)
}
