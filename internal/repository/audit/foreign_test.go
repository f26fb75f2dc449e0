package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/foreign"
	"infrabackup/internal/repository/mirror"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

// foreignIn are the foreign entries that an audit names, all of them.
func foreignIn(a backup.Audit) backup.Foreign {
	f := a.Foreign
	f.Names = append([]string(nil), f.Names...)
	for _, v := range a.Backups {
		f.Merge(v.Foreign)
	}
	return f
}

// file, withFolder and others make what lies on file servers.
func file(mode os.FileMode) func(string) error {
	return func(path string) error {
		if err := os.WriteFile(path, []byte("not ours"), 0o600); err != nil {
			return err
		}
		return os.Chmod(path, mode)
	}
}

func withFolder(mode os.FileMode, inside ...string) func(string) error {
	return func(path string) error {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		for _, name := range inside {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(path, name)), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(path, name), []byte("not ours"), 0o400); err != nil {
				return err
			}
		}
		return os.Chmod(path, mode)
	}
}

func linkTo(to string) func(string) error {
	return func(path string) error { return os.Symlink(to, path) }
}

// foreignKinds are what others put into folders of a share.
var foreignKinds = map[string]func(path string) error{
	".DS_Store":                       file(0o644),
	"._key.age":                       file(0o644),
	"Thumbs.db":                       file(0o444),
	"desktop.ini":                     file(0o400),
	"@eaDir":                          withFolder(0o755, "SYNO@.fileindexdb", "a b/c"),
	"#recycle":                        withFolder(0o777, "desktop.ini"),
	"$RECYCLE.BIN":                    withFolder(0o700),
	"System Volume Information":       withFolder(0o000),
	".snapshot":                       withFolder(0o555, "hourly.0/manifest.json"),
	"~snapshot":                       withFolder(0o555),
	"lost+found":                      withFolder(0o000),
	"notes (1).txt":                   file(0o644),
	"~$x.tmp":                         file(0o600),
	".~lock.manifest.json#":           file(0o644),
	"readonly.txt":                    file(0o444),
	"readonly":                        withFolder(0o555, "x", "y/z"),
	"locked":                          withFolder(0o000, "x"),
	"locked.bin":                      file(0o000),
	strings.Repeat("l", 200):          file(0o644),
	strings.Repeat("L", 255):          file(0o644),
	strings.Repeat("ü", 127):          withFolder(0o755, "x"),
	"ä ö ü.docx":                      file(0o644),
	"\xff\xfe":                        file(0o644),
	"\u202etxt.exe":                   file(0o755),
	"\u2066x\u2069":                   withFolder(0o755, "x"),
	"a\u200bb":                        file(0o644),
	"\x1b[2J":                         file(0o644),
	"new\nline\r\t":                   file(0o644),
	"\u009b31m":                       file(0o644),
	"con":                             file(0o644),
	"AUX.txt":                         withFolder(0o755),
	"dot.":                            file(0o644),
	"blank ":                          file(0o644),
	"a:b":                             file(0o644),
	`a?b*"<>|\`:                       file(0o644),
	"New folder":                      withFolder(0o755, "deep/er/and/deeper"),
	"extra":                           file(0o644),
	"folder":                          withFolder(0o755),
	"full":                            withFolder(0o755, "key.age", "backups/x"),
	"link":                            linkTo("/etc"),
	"dangling":                        linkTo("nothing"),
	"pipe":                            func(path string) error { return unix.Mkfifo(path, 0o600) },
	"socket":                          socket,
	".nfs000000000000000100000001":    file(0o600),
	".fuse_hidden0000000100000001":    file(0o600),
	"20261122.txt":                    file(0o644),
	"backup.zip":                      file(0o644),
	"huge.iso":                        func(path string) error { return repositorytest.Sparse(path, 1<<40) },
	"RECOVERY.txt.bak":                file(0o644),
	"SHA256SUMS (conflicted copy).md": file(0o644),
}

// socket makes a local socket that nobody listens on any more; its path may be longer
// than one can be that is bound.
func socket(path string) error {
	short, err := os.MkdirTemp("", "s")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(short) }()
	l, err := net.Listen("unix", filepath.Join(short, "s"))
	if err != nil {
		return err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		return err
	}
	return os.Rename(filepath.Join(short, "s"), path)
}

// putAll puts every kind into a folder, and returns their names as they are shown.
func putAll(t *testing.T, folder string) map[string]bool {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o700))
	shown := map[string]bool{}
	for name, put := range foreignKinds {
		require.NoError(t, put(filepath.Join(folder, name)), "%q", name)
		shown[printable.Text(name)] = true
	}
	return shown
}

// locking is a store where nothing may be done with what is called locked, as on a server
// on which the account is not the one that put it there.
type locking struct{ share.Store }

func (l locking) denied(path string) error {
	if strings.Contains(path, "locked") {
		return fault.Newf(fault.ShareAccessDenied, "%s is somebody else's", path)
	}
	return nil
}

// List implements share.Store.
func (l locking) List(ctx context.Context, path string) ([]share.Info, error) {
	if err := l.denied(path); err != nil {
		return nil, err
	}
	return l.Store.List(ctx, path)
}

// Stat implements share.Store.
func (l locking) Stat(ctx context.Context, path string) (share.Info, error) {
	if err := l.denied(filepath.Dir(path)); err != nil {
		return share.Info{}, err
	}
	return l.Store.Stat(ctx, path)
}

// Remove implements share.Store.
func (l locking) Remove(ctx context.Context, path string) error {
	if err := l.denied(path); err != nil {
		return err
	}
	return l.Store.Remove(ctx, path)
}

// UploadGrowing implements share.Store.
func (l locking) UploadGrowing(ctx context.Context, path string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (int64, error) {
	if err := l.denied(path); err != nil {
		return 0, err
	}
	return l.Store.UploadGrowing(ctx, path, src, from, extent, flushed)
}

// Upload implements share.Store.
func (l locking) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	if err := l.denied(path); err != nil {
		return err
	}
	return l.Store.Upload(ctx, path, src, from, size, flushed)
}

// backUpWith is backUp the way a run does it, with something that happens before its
// folder is checked.
func (k *fixture) backUpWith(during func(b *fixtureBackup)) (*fixtureBackup, backup.Foreign) {
	k.T.Helper()
	ctx := context.Background()
	require.NoError(k.T, k.Repo.Probe(ctx, "run"))
	b := k.Put()
	if during != nil {
		during(b)
	}
	signature, err := k.Key.Sign(b.Sums)
	require.NoError(k.T, err)
	written := []backup.File{folder.Describe(backup.SumsFile, b.Sums), folder.Describe(backup.SignatureFile, signature)}
	others, err := k.Repo.Check(ctx, b.ID, written)
	require.NoError(k.T, err)
	k.Publish(b)
	k.Enter(k.Entry(backup.LedgerCreated, b))
	return b, others
}

// requireNamed makes sure that nothing is found and that all is named that lies in a
// folder.
func (k *fixture) requireNamed(in string, shown map[string]bool, without ...string) {
	k.T.Helper()
	found := k.Verify(k.Options())
	require.True(k.T, found.Good(), "%+v", repositorytest.All(found))
	require.Len(k.T, found.Backups, len(k.Live))
	names := map[string]bool{}
	for _, name := range foreignIn(found).Names {
		names[name] = true
		require.Equal(k.T, printable.Text(name), name)
	}
	for name := range shown {
		litter := len(without) > 0 && foreign.IsLitter(name)
		require.Equal(k.T, !litter, names[strings.TrimSuffix(in, "/")+"/"+name], "%s in %s", name, in)
	}
}

const deadID = backup.ID("9b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")

// TestForeignEntriesStopNothing puts all kinds of foreign entries into each folder,
// before a run, during it and after it: the run becomes a backup, so do later ones, all
// can be deleted, and verifying finds nothing and names what is there.
func TestForeignEntriesStopNothing(t *testing.T) {
	folders := map[string]string{
		"the share": "..", "the instance": "", "backups": backup.BackupsDir, "ledger": backup.LedgerDir,
		"incoming": backup.IncomingDir, "a dead run's folder": backup.IncomingPath(deadID),
		"staging": backup.StagingDir, "a staged copy": backup.StagingPath(deadID), "the backup": "", "the run's folder": "",
	}
	for what, where := range folders {
		for _, when := range []string{"before", "during", "after"} {
			if what == "the run's folder" && when != "during" {
				continue
			}
			t.Run(what+" "+when, func(t *testing.T) {
				t.Parallel()
				root := t.TempDir()
				local, err := dir.Open(root)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, local.Close()) })
				k := newFixtureIn(t, root, 3)
				k.Repo = repository.New(locking{local}, "local")
				first, _ := k.backUpWith(nil)
				in := where
				var shown map[string]bool
				put := func(b *fixtureBackup) {
					switch what {
					case "the backup":
						in = backup.BackupsDir + "/" + first.Folder
					case "the run's folder":
						in = backup.IncomingPath(b.ID)
					}
					shown = putAll(t, k.Path(in))
				}
				if when == "before" {
					put(first)
				}
				during := put
				if when != "during" {
					during = nil
				}
				second, others := k.backUpWith(during)
				if when == "after" {
					put(second)
				}
				if what == "the run's folder" {
					require.Equal(t, len(shown), others.Count)
					in = backup.BackupsDir + "/" + second.Folder
				}
				if what == "a dead run's folder" && when == "before" {
					k.requireNamed("local/"+in, shown, "litter") // it was cleared up as far as that goes
				} else if what != "the share" {
					k.requireNamed("local/"+in, shown)
				} else {
					k.requireNamed("", nil)
				}
				third, _ := k.backUpWith(nil)
				for _, b := range []*fixtureBackup{second, first, third} {
					gone, err := k.Repo.Delete(t.Context(), b.ID, repository.DeleteOptions{})
					require.NoError(t, err)
					require.NoDirExists(t, k.Of(b))
					k.Enter(k.Entry(backup.LedgerDeleted, b))
					k.Live = k.Live[:0]
					for _, other := range []*fixtureBackup{third, first} {
						if _, err := os.Stat(k.Of(other)); err == nil {
							k.Live = append(k.Live, other)
						}
					}
					inside := in == backup.BackupsDir+"/"+b.Folder
					require.Equal(t, inside, gone.Foreign.Count > 0, "what is left is told: %+v", gone.Foreign)
					if inside {
						in = backup.IncomingPath(b.ID)
						k.requireNamed("local/"+in, shown, "litter")
					}
				}
				k.backUpWith(nil)
				require.True(t, k.Verify(k.Options()).Good())
			})
		}
	}
}

// TestEachForeignEntryLetsABackupGo deletes a backup beside each single kind.
func TestEachForeignEntryLetsABackupGo(t *testing.T) {
	k := newFixture(t, 5)
	for name, put := range foreignKinds {
		b := k.BackUp()
		require.NoError(t, put(k.Of(b, name)), "%q", name)
		gone, err := k.Repo.Delete(t.Context(), b.ID, repository.DeleteOptions{})
		require.NoError(t, err, "%q", name)
		require.NoDirExists(t, k.Of(b))
		trash := k.Path(backup.IncomingPath(b.ID))
		if foreign.IsLitter(name) {
			require.Zero(t, gone.Foreign)
			require.NoDirExists(t, trash)
		} else {
			require.Equal(t, []string{"local/" + backup.IncomingPath(b.ID) + "/" + printable.Text(name)}, gone.Foreign.Names)
			entries, err := os.ReadDir(trash)
			require.NoError(t, err)
			require.Len(t, entries, 1, "only what is not ours stays")
		}
		k.Enter(k.Entry(backup.LedgerDeleted, b))
		k.Live = nil
	}
	require.True(t, k.Verify(k.Options()).Good())
}

// What keeps a folder from being moved is named.
func TestDeleteSaysWhatIsInTheWay(t *testing.T) {
	k := newFixture(t, 5)
	b := k.BackUp()
	require.NoError(t, file(0o600)(k.Of(b, "report\u202e.docx")))
	require.NoError(t, file(0o600)(k.Of(b, "extra")))
	for code, said := range map[fault.Code]bool{fault.ShareBusy: true, fault.ShareAccessDenied: true, fault.ShareUnreachable: false} {
		repo := repository.New(&unmoving{Store: k.Store, code: code}, "local")
		_, err := repo.Delete(t.Context(), b.ID, repository.DeleteOptions{})
		require.Equal(t, code, fault.CodeOf(err))
		require.Equal(t, said, strings.Contains(err.Error(), `extra, report\u202e.docx`), "%v", err)
	}
	require.True(t, k.Verify(k.Options()).Good())
}

// unmoving is a store that renames nothing.
type unmoving struct {
	share.Store
	code fault.Code
}

// Rename implements share.Store.
func (r *unmoving) Rename(_ context.Context, from, to string) error {
	return fault.Newf(r.code, "cannot rename %s to %s", from, to)
}

// TestForeignEntriesAreLeftBehindByACopy copies a backup beside foreign entries to where
// others are in the way.
func TestForeignEntriesAreLeftBehindByACopy(t *testing.T) {
	k := newFixture(t, 5)
	b := k.BackUp()
	shown := putAll(t, k.Of(b))
	other := newFixture(t, 6)
	staged := putAll(t, other.Path(backup.StagingPath(b.ID)))
	copied, err := mirror.Copy(t.Context(), k.Repo, other.Repo, mirror.Options{})
	require.NoError(t, err)
	require.Equal(t, 1, copied.Backups)
	require.NotZero(t, copied.Foreign.Count)
	require.Equal(t, len(shown), len(staged))
	other.Signers, other.Head, other.Live = k.Signers, k.Head, k.Live
	other.requireNamed("local/"+backup.BackupsDir+"/"+b.Folder, staged)
	again, err := mirror.Copy(t.Context(), k.Repo, other.Repo, mirror.Options{})
	require.NoError(t, err)
	require.Equal(t, 1, again.Skipped)
}

// TestForeignEntriesDoNotOccupyAnInstance: a folder that only others wrote to is free.
func TestForeignEntriesDoNotOccupyAnInstance(t *testing.T) {
	k := newFixture(t, 5)
	for _, in := range []string{"", backup.BackupsDir, backup.LedgerDir, backup.IncomingDir} {
		putAll(t, k.Path(in))
	}
	require.NoError(t, k.Repo.Probe(t.Context(), "enable"))
	require.NoError(t, k.Repo.Claim(t.Context(), repositorytest.Controller))
	k.BackUp()
	require.True(t, k.Verify(k.Options()).Good())
}

// TestForeignEntriesInOurPlacesAreSetAside: whatever has the name that a run needs next
// gets another one.
func TestForeignEntriesInOurPlacesAreSetAside(t *testing.T) {
	for name, put := range map[string]func(k *fixture) error{
		"incoming": func(k *fixture) error {
			if err := os.RemoveAll(k.Path(backup.IncomingDir)); err != nil {
				return err
			}
			return file(0o444)(k.Path(backup.IncomingDir))
		},
		"the run's folder": func(k *fixture) error { return file(0o444)(k.Path(backup.IncomingPath(repositorytest.ID))) },
		"the manifest": func(k *fixture) error {
			if err := os.MkdirAll(k.Path(backup.IncomingPath(repositorytest.ID)), 0o700); err != nil {
				return err
			}
			return withFolder(0o755, "x")(k.Path(backup.IncomingPath(repositorytest.ID), backup.ManifestFile))
		},
		"a part": func(k *fixture) error {
			if err := os.MkdirAll(k.Path(backup.IncomingPath(repositorytest.ID)), 0o700); err != nil {
				return err
			}
			return withFolder(0o755, "x")(k.Path(backup.IncomingPath(repositorytest.ID), backup.PartFile(backup.AD)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newFixture(t, 5)
			k.BackUp()
			require.NoError(t, put(k))
			ctx := t.Context()
			require.NoError(t, k.Repo.Begin(ctx, repositorytest.ID))
			part := folder.Describe(backup.PartFile(backup.AD), []byte("part"))
			require.NoError(t, k.Repo.Upload(ctx, repositorytest.ID, part, bytes.NewReader([]byte("part")), repository.UploadOptions{Token: "t"}))
			manifest, err := k.Repo.Put(ctx, repositorytest.ID, backup.ManifestFile, []byte("{}"))
			require.NoError(t, err)
			sums, err := k.Repo.Put(ctx, repositorytest.ID, backup.SumsFile, backup.EncodeSums([]backup.File{part, manifest}))
			require.NoError(t, err)
			_, err = k.Repo.Check(ctx, repositorytest.ID, []backup.File{sums})
			require.NoError(t, err)
			require.True(t, k.Verify(k.Options()).Good())
		})
	}
}

// TestManyForeignEntriesAreCounted: lists stay short, and the number is the whole one.
func TestManyForeignEntriesAreCounted(t *testing.T) {
	k := newFixture(t, 5)
	b := k.BackUp()
	for i := range 3 * backup.MaxForeignNames {
		require.NoError(t, repositorytest.Touch(k.Of(b, fmt.Sprintf("extra-%04d", i))))
	}
	found := k.Verify(k.Options())
	require.True(t, found.Good())
	require.Equal(t, 3*backup.MaxForeignNames, found.Backups[0].Foreign.Count)
	require.Len(t, found.Backups[0].Foreign.Names, backup.MaxForeignNames)
	gone, err := k.Repo.Delete(t.Context(), b.ID, repository.DeleteOptions{})
	require.NoError(t, err)
	require.Equal(t, 3*backup.MaxForeignNames, gone.Foreign.Count)
}
