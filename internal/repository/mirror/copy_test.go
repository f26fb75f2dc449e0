package mirror_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/mirror"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/share/sharetest"
)

const secondID = backup.ID("1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")

// moving is a rekeyFixture with two backups and a ledger, and a share to move them to.
type moving struct {
	*rekeyFixture
	to       *repository.Repository
	toStore  *sharetest.Crashing
	toLying  *repositorytest.LyingStore
	toFolder string
	want     map[string]string
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	m := &moving{rekeyFixture: newRekeyFixture(t)}
	m.Make(secondID, repositorytest.Start.Add(time.Hour))
	m.Make(repositorytest.ID, repositorytest.Start)
	for n := range int64(3) {
		m.put("ledger/"+backup.LedgerFile(n+1), strings.Repeat("x", int(n)))
	}
	m.want = repositorytest.Content(t, m.Folder)
	m.put(backup.ControllerFile, "not copied")
	m.put("ledger/notes.txt", "not copied")
	m.put("incoming/2b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11/key.age", "not copied")
	m.put("staging/2b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11/key.age", "not copied")
	m.put("backups/somebody-elses.txt", "not copied")
	root := t.TempDir()
	local, err := dir.Open(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, local.Close()) })
	m.toLying = &repositorytest.LyingStore{Store: local}
	m.toStore, m.toFolder = &sharetest.Crashing{Store: m.toLying, Every: m.Store.Every}, filepath.Join(root, "lab")
	m.to = repository.New(m.toStore, "lab")
	return m
}

// put puts a file into the source's folder.
func (m *moving) put(name, data string) {
	m.T.Helper()
	path := filepath.Join(m.Folder, name)
	require.NoError(m.T, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(m.T, os.WriteFile(path, []byte(data), 0o600))
}

func (m *moving) there(name string) string {
	return filepath.Join(m.toFolder, backup.BackupPath(repositorytest.ID, repositorytest.Start), name)
}

func TestCopyTo(t *testing.T) {
	m := newMoving(t)
	source := repositorytest.Content(t, m.Folder)
	var seen []mirror.Progress
	got, err := mirror.Copy(t.Context(), m.Repository, m.to, mirror.Options{Progress: func(p mirror.Progress) { seen = append(seen, p) }})
	require.NoError(t, err)
	require.Equal(t, m.want, repositorytest.Content(t, m.toFolder))
	require.Equal(t, source, repositorytest.Content(t, m.Folder))
	total := int64(0)
	for _, data := range m.want {
		total += int64(len(data))
	}
	require.Equal(t, 2, got.Backups)
	require.Equal(t, 3, got.Entries)
	require.Equal(t, total, got.Bytes)
	require.Empty(t, got.Strange)
	require.Equal(t, []string{"lab/backups/somebody-elses.txt"}, got.Foreign.Names)
	require.Equal(t, repositorytest.ID, seen[0].BackupID, "the oldest comes first")
	require.Equal(t, 2, seen[0].Backups)
	require.Equal(t, 1, seen[0].Number)
	repositorytest.VerifyWith(t, m.to, m.Old, m.Signers, repositorytest.ID)
	repositorytest.VerifyWith(t, m.to, m.Old, m.Signers, secondID)

	m.toStore.Written = 0
	again, err := mirror.Copy(t.Context(), m.Repository, m.to, mirror.Options{})
	require.NoError(t, err)
	require.Equal(t, 2, again.Skipped)
	require.Zero(t, again.Backups+again.Entries)
	require.Zero(t, again.Bytes)
	require.Zero(t, m.toStore.Written)

	_, err = mirror.Copy(t.Context(), m.Repository, repository.New(m.toStore, "prod"), mirror.Options{})
	require.ErrorIs(t, err, fault.BackupForeign)
}

func TestCopyToDies(t *testing.T) {
	m := newMoving(t)
	require.NoError(t, os.RemoveAll(filepath.Join(m.Folder, backup.BackupPath(secondID, repositorytest.Start.Add(time.Hour)))))
	m.want = repositorytest.Without(m.want, "/"+backup.BackupPath(secondID, repositorytest.Start.Add(time.Hour)))
	sharetest.CrashesOf(t, m.toStore, []bool{false}, func() { require.NoError(t, os.RemoveAll(m.toFolder)) }, func() error {
		_, err := mirror.Copy(t.Context(), m.Repository, m.to, mirror.Options{})
		return err
	}, func(t *testing.T) {
		listing, err := m.to.List(t.Context(), 0)
		require.NoError(t, err)
		require.Empty(t, listing.Unreadable)
		for _, b := range listing.Backups {
			listed := backup.BackupPath(b.BackupID, b.StartedAt)
			require.Equal(t, repositorytest.Content(t, filepath.Join(m.Folder, listed)), repositorytest.Content(t, filepath.Join(m.toFolder, listed)), "what is listed is whole")
		}
		_, err = mirror.Copy(t.Context(), m.Repository, m.to, mirror.Options{})
		require.NoError(t, err)
		require.Equal(t, m.want, repositorytest.Content(t, m.toFolder), "and nothing is left")
	})
}

func TestCopyToTakesOverAnUnfinishedOne(t *testing.T) {
	m := newMoving(t)
	stale := filepath.Join(m.toFolder, backup.StagingPath(repositorytest.ID))
	require.NoError(t, os.MkdirAll(stale, 0o700))
	for _, name := range []string{backup.KeyFile, backup.PartFile(backup.RBAC), backup.KeyFile + ".0123.part"} {
		require.NoError(t, os.WriteFile(filepath.Join(stale, name), []byte("of an earlier state"), 0o600))
	}
	_, err := mirror.Copy(t.Context(), m.Repository, m.to, mirror.Options{})
	require.NoError(t, err)
	require.Equal(t, m.want, repositorytest.Content(t, m.toFolder))
}

func TestCopyToRefuses(t *testing.T) {
	m := newMoving(t)
	whole := repositorytest.Content(t, m.Folder)
	ca := backup.PartFile(backup.CA)
	write := func(path func(string) string, name, data string) func(*testing.T) {
		return func(t *testing.T) {
			require.NoError(t, os.MkdirAll(filepath.Dir(path(name)), 0o700))
			require.NoError(t, os.WriteFile(path(name), []byte(data), 0o600))
		}
	}
	first := func(t *testing.T) {
		_, err := mirror.Copy(t.Context(), m.Repository, m.to, mirror.Options{})
		require.NoError(t, err)
	}
	for name, tc := range map[string]struct {
		change []func(*testing.T)
		code   fault.Code
		text   string
	}{
		"part changed":     {[]func(*testing.T){write(m.File, ca, "x")}, fault.BackupDamaged, ca},
		"part missing":     {[]func(*testing.T){func(t *testing.T) { require.NoError(t, os.Remove(m.File(ca))) }}, fault.BackupDamaged, ca},
		"file added":       {[]func(*testing.T){write(m.File, "more.age", "x")}, fault.BackupDamaged, "more.age"},
		"no sums":          {[]func(*testing.T){func(t *testing.T) { require.NoError(t, os.Remove(m.File(backup.SumsFile))) }}, fault.BackupDamaged, backup.SumsFile},
		"sums changed":     {[]func(*testing.T){write(m.File, backup.SumsFile, "x")}, fault.BackupDamaged, backup.SumsFile},
		"no signature":     {[]func(*testing.T){func(t *testing.T) { require.NoError(t, os.Remove(m.File(backup.SignatureFile))) }}, fault.BackupDamaged, backup.SignatureFile},
		"rewrap underway":  {[]func(*testing.T){write(m.File, backup.KeyFile+backup.NextSuffix, "x")}, fault.RewrapUnfinished, ""},
		"another is there": {[]func(*testing.T){first, write(m.there, backup.SignatureFile, "x")}, fault.AlreadyExists, backup.SignatureFile},
		"copy was changed": {[]func(*testing.T){first, write(m.there, ca, "x")}, fault.BackupDamaged, ca},
		"copy lost a file": {[]func(*testing.T){first, func(t *testing.T) { require.NoError(t, os.Remove(m.there(ca))) }}, fault.BackupDamaged, ""},
		"another ledger": {[]func(*testing.T){write(func(name string) string { return filepath.Join(m.toFolder, backup.LedgerDir, name) }, backup.LedgerFile(2), "y")},
			fault.AlreadyExists, backup.LedgerFile(2)},
	} {
		t.Run(name, func(t *testing.T) {
			repositorytest.RestoreTree(t, m.Folder, whole)
			require.NoError(t, os.RemoveAll(m.toFolder))
			for _, change := range tc.change {
				change(t)
			}
			_, err := mirror.Copy(t.Context(), m.Repository, m.to, mirror.Options{})
			require.ErrorIs(t, err, tc.code)
			require.ErrorContains(t, err, tc.text)
			listing, err := m.to.List(t.Context(), 0)
			require.NoError(t, err)
			require.Empty(t, listing.Unreadable, "nothing half-copied is listed")
		})
	}
	repositorytest.RestoreTree(t, m.Folder, whole)
	require.NoError(t, os.RemoveAll(m.toFolder))
	m.toLying.Corrupt = true
	_, err := mirror.Copy(t.Context(), m.Repository, m.to, mirror.Options{})
	require.ErrorIs(t, err, fault.ShareCorrupted)
	m.toLying.Corrupt = false
	_, err = mirror.Copy(t.Context(), m.Repository, m.to, mirror.Options{})
	require.NoError(t, err)
	require.Equal(t, m.want, repositorytest.Content(t, m.toFolder))
}
