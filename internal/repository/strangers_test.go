package repository

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// oddities are what somebody may put where no file of the product lies, and how the
// findings name it.
var oddities = map[string]struct {
	name, printed string
	put           func(path string) error
}{
	"space":         {"a b", "a b", touch},
	"umlaut":        {"ä", "ä", touch},
	"escape":        {"\x1b[2J", `\x1b[2J`, touch},
	"newline":       {"a\nb", `a\nb`, touch},
	"reversed":      {"\u202etxt.exe", `\u202etxt.exe`, touch},
	"no UTF-8":      {"\xff", `\xff`, touch},
	"quote":         {`"`, `"`, touch},
	"invisible":     {"a\u200bb", `a\u200bb`, touch},
	"folder":        {"New folder", "New folder", func(path string) error { return os.Mkdir(path, 0o700) }},
	"link":          {"link", "link", func(path string) error { return os.Symlink("/etc", path) }},
	"dangling link": {"nowhere", "nowhere", func(path string) error { return os.Symlink("nothing", path) }},
	"pipe":          {"pipe", "pipe", func(path string) error { return unix.Mkfifo(path, 0o600) }},
}

func touch(path string) error { return os.WriteFile(path, nil, 0o600) }

func TestEveryAddedFileIsNamed(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	for name, odd := range oddities {
		for _, folder := range []string{"", backup.BackupsDir, backup.LedgerDir, backup.IncomingDir, backup.BackupsDir + "/" + b.folder} {
			t.Run(name+" in "+folder, func(t *testing.T) {
				path := filepath.Join(k.path(folder), odd.name)
				require.NoError(t, odd.put(path))
				audit := k.verify(k.options())
				require.True(t, audit.Good(), "%+v", audit)
				require.Equal(t, []string{k.repo.at(folder) + "/" + odd.printed}, foreignIn(audit).Names)
				require.NoError(t, os.Remove(path))
				audit = k.verify(k.options())
				require.Zero(t, foreignIn(audit))
			})
		}
	}
}

// obstacles are what somebody may put in the place of a file or folder of the product.
var obstacles = map[string]func(path string) error{
	"a huge file": func(path string) error { return sparse(path, 1<<30) },
	"a folder":    func(path string) error { return os.Mkdir(path, 0o700) },
	"a link":      func(path string) error { return os.Symlink("/etc/hostname", path) },
	"a pipe":      func(path string) error { return unix.Mkfifo(path, 0o600) },
}

func sparse(path string, size int64) error {
	if err := touch(path); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

// TestNothingBlindsTheAudit puts something odd in every place of the instance's folder,
// and damages a part: both must be found.
func TestNothingBlindsTheAudit(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	require.NoError(t, touch(k.of(b, backup.PartFile(backup.AD))))
	untouched := k.snapshot()
	names := []string{
		backup.RecoveryFile, backup.AllowedSignersFile, backup.LedgerDir,
		filepath.Join(backup.LedgerDir, backup.LedgerFile(1)),
		filepath.Join(backup.BackupsDir, b.folder, backup.SumsFile),
	}
	for _, name := range names {
		for what, put := range obstacles {
			for _, opts := range []AuditOptions{k.options(), {}} {
				require.NoError(t, os.RemoveAll(k.path(name)))
				require.NoError(t, put(k.path(name)))
				audit, err := k.repo.VerifyAll(t.Context(), opts, nil)
				require.NoError(t, err, "%s as %s", name, what)
				require.Len(t, audit.Backups, 1)
				named := map[string]bool{}
				for _, f := range all(audit) {
					named[f.File] = true
					require.NotContains(t, f.Message, "has 0 bytes")
				}
				if name == backup.LedgerDir && what == "a folder" {
					named[k.repo.at(name)] = !audit.Good() // an empty ledger, whose entries are missed
				}
				require.True(t, named[k.repo.at(name)], "%s as %s: %+v", name, what, all(audit))
				if filepath.Base(name) != backup.SumsFile {
					require.True(t, named[k.repo.at(backup.BackupsDir, b.folder, backup.PartFile(backup.AD))], "%s as %s", name, what)
				}
				k.restore(untouched)
			}
		}
	}
	for what, put := range obstacles {
		require.NoError(t, os.RemoveAll(k.path(backup.BackupsDir)))
		require.NoError(t, put(k.path(backup.BackupsDir)))
		found := all(k.verify(k.options()))
		require.Equal(t, what != "a folder", found[0].File == "local/backups", what)
		require.Equal(t, string(fault.BackupMissing), found[len(found)-1].Code, what)
		k.restore(untouched)
	}
	_, err := k.repo.read(t.Context(), k.repo.at(backup.LedgerDir), maxSmall)
	require.ErrorContains(t, err, "local/ledger is a folder")
}

// A file that is longer than it can be is reported and not read.
func TestHugeFilesAreNotRead(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	untouched := k.snapshot()
	for _, name := range []string{
		backup.ManifestFile, backup.KeyFile, backup.KeyFile + backup.NextSuffix, backup.CatalogFile,
		backup.SumsFile, backup.SignatureFile, backup.PartFile(backup.AD),
	} {
		require.NoError(t, sparse(k.of(b, name), 20<<30))
		hook := func(path string) { require.False(t, strings.HasSuffix(path, "/"+name), "%s is read", path) }
		repo := New(&hooked{Store: k.store, download: hook}, "local")
		v, err := repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: k.signers})
		require.NoError(t, err)
		require.NotEmpty(t, v.Findings, name)
		k.restore(untouched)
	}
}

// What a manifest says that the sums do not name is not believed: the parts are read.
func TestAForgedManifestAccusesNoPart(t *testing.T) {
	k := newKeeper(t, 3)
	b := k.backUp()
	b.manifest.Files[0].Size++
	forged, err := b.manifest.Encode()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(k.of(b, backup.ManifestFile), forged, 0o600))
	read := map[string]bool{}
	repo := New(&hooked{Store: k.store, download: func(path string) { read[filepath.Base(path)] = true }}, "local")
	v, err := repo.Verify(t.Context(), b.id, VerifyOptions{AllowedSigners: k.signers})
	require.NoError(t, err)
	require.NotEmpty(t, v.Findings)
	require.True(t, read[backup.PartFile(backup.AD)])
}

// The backups are listed as often for many as for few.
func TestVerifyAllListsTheBackupsOnce(t *testing.T) {
	k := newKeeper(t, 3)
	k.backUp()
	lists := func() int {
		n := 0
		list := func(path string) {
			if path == "local/"+backup.BackupsDir {
				n++
			}
		}
		_, err := New(&hooked{Store: k.store, list: list}, "local").VerifyAll(t.Context(), k.options(), nil)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 1, lists())
	for range 30 {
		id, err := backup.NewID(randomBytes{k.random})
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(k.path(backup.BackupsDir, backup.FolderName(id, k.clock)), 0o700))
	}
	require.LessOrEqual(t, lists(), 2*maxLooks)
}

func TestTextsAreSaidOnce(t *testing.T) {
	var ledger, whole findings
	for range maxFindings + 10 {
		ledger.add(fault.LedgerDamaged, strings.Repeat("x", len(ledger.list)+1), "wrong")
	}
	whole.take(ledger.list...)
	require.Equal(t, ledger.list, whole.list)
	require.Len(t, whole.list, maxFindings+1)
	require.Equal(t, leftOut+"wrong", whole.list[maxFindings].Message)

	k := newKeeper(t, 3)
	for range 6 {
		k.backUp()
	}
	require.NoError(t, os.Remove(k.path(backup.LedgerDir, backup.LedgerFile(2))))
	require.NoError(t, os.Remove(k.path(backup.LedgerDir, backup.LedgerFile(4))))
	require.NoError(t, os.Remove(k.path(backup.LedgerDir, backup.LedgerFile(5))))
	l, err := k.repo.ReadLedger(t.Context(), k.signers)
	require.NoError(t, err)
	require.Len(t, l.Findings, 2)
	require.Equal(t, "the entry is missing", l.Findings[0].Message)
	require.Equal(t, "the entry is missing, and with it all up to 00000005.entry", l.Findings[1].Message)
}
