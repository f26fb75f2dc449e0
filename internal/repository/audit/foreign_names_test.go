package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/repositorytest"
)

// oddities are what somebody may put where no file of the product lies, and how the
// findings name it.
var oddities = map[string]struct {
	name, printed string
	put           func(path string) error
}{
	"space":         {"a b", "a b", repositorytest.Touch},
	"umlaut":        {"ä", "ä", repositorytest.Touch},
	"escape":        {"\x1b[2J", `\x1b[2J`, repositorytest.Touch},
	"newline":       {"a\nb", `a\nb`, repositorytest.Touch},
	"reversed":      {"\u202etxt.exe", `\u202etxt.exe`, repositorytest.Touch},
	"no UTF-8":      {"\xff", `\xff`, repositorytest.Touch},
	"quote":         {`"`, `"`, repositorytest.Touch},
	"invisible":     {"a\u200bb", `a\u200bb`, repositorytest.Touch},
	"folder":        {"New folder", "New folder", func(path string) error { return os.Mkdir(path, 0o700) }},
	"link":          {"link", "link", func(path string) error { return os.Symlink("/etc", path) }},
	"dangling link": {"nowhere", "nowhere", func(path string) error { return os.Symlink("nothing", path) }},
	"pipe":          {"pipe", "pipe", func(path string) error { return unix.Mkfifo(path, 0o600) }},
}

func TestEveryAddedFileIsNamed(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	for name, odd := range oddities {
		for _, folder := range []string{"", backup.BackupsDir, backup.LedgerDir, backup.IncomingDir, backup.BackupsDir + "/" + b.Folder} {
			t.Run(name+" in "+folder, func(t *testing.T) {
				path := filepath.Join(k.Path(folder), odd.name)
				require.NoError(t, odd.put(path))
				found := k.Verify(k.Options())
				require.True(t, found.Good(), "%+v", found)
				require.Equal(t, []string{k.Repo.Files().At(folder) + "/" + odd.printed}, foreignIn(found).Names)
				require.NoError(t, os.Remove(path))
				found = k.Verify(k.Options())
				require.Zero(t, foreignIn(found))
			})
		}
	}
}

// obstacles are what somebody may put in the place of a file or folder of the product.
var obstacles = map[string]func(path string) error{
	"a huge file": func(path string) error { return repositorytest.Sparse(path, 1<<30) },
	"a folder":    func(path string) error { return os.Mkdir(path, 0o700) },
	"a link":      func(path string) error { return os.Symlink("/etc/hostname", path) },
	"a pipe":      func(path string) error { return unix.Mkfifo(path, 0o600) },
}

// TestNothingBlindsTheAudit puts something odd in every place of the instance's folder,
// and damages a part: both must be found.
func TestNothingBlindsTheAudit(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	require.NoError(t, repositorytest.Touch(k.Of(b, backup.PartFile(backup.AD))))
	untouched := k.Snapshot()
	names := []string{
		backup.RecoveryFile, backup.AllowedSignersFile, backup.LedgerDir,
		filepath.Join(backup.LedgerDir, backup.LedgerFile(1)),
		filepath.Join(backup.BackupsDir, b.Folder, backup.SumsFile),
	}
	for _, name := range names {
		for what, put := range obstacles {
			for _, opts := range []audit.Options{k.Options(), {}} {
				require.NoError(t, os.RemoveAll(k.Path(name)))
				require.NoError(t, put(k.Path(name)))
				found, err := audit.VerifyAll(t.Context(), k.Repo, opts, nil)
				require.NoError(t, err, "%s as %s", name, what)
				require.Len(t, found.Backups, 1)
				named := map[string]bool{}
				for _, f := range repositorytest.All(found) {
					named[f.File] = true
					require.NotContains(t, f.Message, "has 0 bytes")
				}
				if name == backup.LedgerDir && what == "a folder" {
					named[k.Repo.Files().At(name)] = !found.Good() // an empty ledger, whose entries are missed
				}
				require.True(t, named[k.Repo.Files().At(name)], "%s as %s: %+v", name, what, repositorytest.All(found))
				if filepath.Base(name) != backup.SumsFile {
					require.True(t, named[k.Repo.Files().At(backup.BackupsDir, b.Folder, backup.PartFile(backup.AD))], "%s as %s", name, what)
				}
				k.Restore(untouched)
			}
		}
	}
	for what, put := range obstacles {
		require.NoError(t, os.RemoveAll(k.Path(backup.BackupsDir)))
		require.NoError(t, put(k.Path(backup.BackupsDir)))
		found := repositorytest.All(k.Verify(k.Options()))
		require.Equal(t, what != "a folder", found[0].File == "local/backups", what)
		require.Equal(t, string(fault.BackupMissing), found[len(found)-1].Code, what)
		k.Restore(untouched)
	}
	_, err := k.Repo.Files().Read(t.Context(), k.Repo.Files().At(backup.LedgerDir), folder.MaxSmall)
	require.ErrorContains(t, err, "local/ledger is a folder")
}

// A file that is longer than it can be is reported and not read.
func TestHugeFilesAreNotRead(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	untouched := k.Snapshot()
	for _, name := range []string{
		backup.ManifestFile, backup.KeyFile, backup.KeyFile + backup.NextSuffix, backup.CatalogFile,
		backup.SumsFile, backup.SignatureFile, backup.PartFile(backup.AD),
	} {
		require.NoError(t, repositorytest.Sparse(k.Of(b, name), 20<<30))
		hook := func(path string, bytes int64) {
			require.False(t, bytes > 0 && strings.HasSuffix(path, "/"+name), "%s is read", path)
		}
		repo := repository.New(&repositorytest.HookStore{Store: k.Store, OnRead: hook}, "local")
		v, err := audit.Verify(t.Context(), repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers})
		require.NoError(t, err)
		require.NotEmpty(t, v.Findings, name)
		k.Restore(untouched)
	}
}

// What a manifest says that the sums do not name is not believed: the parts are read.
func TestAForgedManifestAccusesNoPart(t *testing.T) {
	k := newFixture(t, 3)
	b := k.BackUp()
	b.Manifest.Files[0].Size++
	forged, err := b.Manifest.Encode()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(k.Of(b, backup.ManifestFile), forged, 0o600))
	read := map[string]bool{}
	repo := repository.New(&repositorytest.HookStore{Store: k.Store, OnDownload: func(path string) { read[filepath.Base(path)] = true }}, "local")
	v, err := audit.Verify(t.Context(), repo, b.ID, audit.VerifyOptions{AllowedSigners: k.Signers})
	require.NoError(t, err)
	require.NotEmpty(t, v.Findings)
	require.True(t, read[backup.PartFile(backup.AD)])
}

// The backups are listed as often for many as for few.
func TestVerifyAllListsTheBackupsOnce(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	lists := func() int {
		n := 0
		list := func(path string) {
			if path == "local/"+backup.BackupsDir {
				n++
			}
		}
		_, err := audit.VerifyAll(t.Context(), repository.New(&repositorytest.HookStore{Store: k.Store, OnList: list}, "local"), k.Options(), nil)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 1, lists())
	for range 30 {
		id, err := backup.NewID(repositorytest.RandomBytes{Rand: k.Random})
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(k.Path(backup.BackupsDir, backup.FolderName(id, k.Clock)), 0o700))
	}
	require.LessOrEqual(t, lists(), 2*folder.MaxPasses)
}

func TestTextsAreSaidOnce(t *testing.T) {
	var ledger, whole folder.Findings
	for range folder.MaxFindings + 10 {
		ledger.Add(fault.LedgerDamaged, strings.Repeat("x", len(ledger.List)+1), "wrong")
	}
	whole.Take(ledger.List...)
	require.Equal(t, ledger.List, whole.List)
	require.Len(t, whole.List, folder.MaxFindings+1)
	require.Equal(t, "this and whatever else is wrong is left out of the list: wrong", whole.List[folder.MaxFindings].Message)

	k := newFixture(t, 3)
	for range 6 {
		k.BackUp()
	}
	require.NoError(t, os.Remove(k.Path(backup.LedgerDir, backup.LedgerFile(2))))
	require.NoError(t, os.Remove(k.Path(backup.LedgerDir, backup.LedgerFile(4))))
	require.NoError(t, os.Remove(k.Path(backup.LedgerDir, backup.LedgerFile(5))))
	l, err := k.Repo.Ledger().Read(t.Context(), k.Signers)
	require.NoError(t, err)
	require.Len(t, l.Findings, 2)
	require.Equal(t, "the entry is missing", l.Findings[0].Message)
	require.Equal(t, "the entry is missing, and with it all up to 00000005.entry", l.Findings[1].Message)
}
