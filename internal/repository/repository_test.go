package repository_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

func testRepository(t *testing.T) (*repository.Repository, *repositorytest.LyingStore, string) {
	t.Helper()
	folder := t.TempDir()
	store, err := dir.Open(folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	l := &repositorytest.LyingStore{Store: store}
	return repository.New(l, "local"), l, folder
}

func TestWritePathCorruptionIsCaught(t *testing.T) {
	r, store, _ := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.Begin(ctx, repositorytest.ID))
	data := []byte("cipher text of a part")
	file := folder.Describe("ad.tar.zst.age", data)
	store.Corrupt = true
	err := r.Upload(ctx, repositorytest.ID, file, bytes.NewReader(data), repository.UploadOptions{Token: "t"})
	require.ErrorIs(t, err, fault.ShareCorrupted)
	require.ErrorIs(t, r.Probe(ctx, "x"), fault.ShareCorrupted)
	store.Corrupt = false
	require.NoError(t, r.Upload(ctx, repositorytest.ID, file, bytes.NewReader(data), repository.UploadOptions{Token: "t"}), "the next attempt starts over")
}

func TestLostRepliesAreFound(t *testing.T) {
	r, store, _ := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.Files().MkdirAll(ctx, r.Files().At(backup.BackupsDir)))
	require.NoError(t, r.Begin(ctx, repositorytest.ID))
	data := []byte("cipher text of a part")
	store.LoseReply = true
	require.NoError(t, r.Upload(ctx, repositorytest.ID, folder.Describe("ad.tar.zst.age", data), bytes.NewReader(data), repository.UploadOptions{Token: "t"}))
	started := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	path, err := r.Publish(ctx, repositorytest.ID, started)
	require.NoError(t, err)
	require.Equal(t, "local/backups/20261122T083000Z_"+string(repositorytest.ID), path)
	again, err := r.Publish(ctx, repositorytest.ID, started)
	require.NoError(t, err)
	require.Equal(t, path, again)
}

func TestAnEarlierCapturesPartGivesWay(t *testing.T) {
	r, _, root := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.Begin(ctx, repositorytest.ID))
	for _, text := range []string{"first capture", "second capture"} {
		data := []byte(text)
		require.NoError(t, r.Upload(ctx, repositorytest.ID, folder.Describe("ad.tar.zst.age", data), bytes.NewReader(data), repository.UploadOptions{Token: text[:5]}))
	}
	got, err := os.ReadFile(filepath.Join(root, "local", "incoming", string(repositorytest.ID), "ad.tar.zst.age"))
	require.NoError(t, err)
	require.Equal(t, "second capture", string(got))
}

// TestLargeFilesLieBeside: what a host that hangs holds open of a large file is not in the
// folder that publishing renames, and what it left is removed with it, or by the next run.
func TestLargeFilesLieBeside(t *testing.T) {
	r, _, root := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.Files().MkdirAll(ctx, r.Files().At(backup.BackupsDir)))
	require.NoError(t, r.Begin(ctx, repositorytest.ID))
	data := bytes.Repeat([]byte("cipher text "), 200_000)
	file := folder.Describe("ad.tar.zst.age", data)
	incoming := filepath.Join(root, "local", "incoming")
	sent := filepath.Join(incoming, string(repositorytest.ID)+".sent")
	ended := errors.New("the host hangs")
	err := r.Upload(ctx, repositorytest.ID, file, bytes.NewReader(data), repository.UploadOptions{Token: "a", Flushed: func(int64) error {
		return fault.New(fault.SpoolIO, "journal", ended)
	}})
	require.ErrorIs(t, err, ended)
	require.FileExists(t, filepath.Join(sent, "ad.tar.zst.age.a.part"))
	require.NoError(t, r.Upload(ctx, repositorytest.ID, file, bytes.NewReader(data), repository.UploadOptions{Token: "b"}))
	entries, err := os.ReadDir(filepath.Join(incoming, string(repositorytest.ID)))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	_, err = r.Publish(ctx, repositorytest.ID, time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC))
	require.NoError(t, err)
	require.DirExists(t, sent)
	require.NoError(t, r.ClearSent(ctx, repositorytest.ID))
	require.NoDirExists(t, sent)
	require.NoError(t, r.ClearSent(ctx, repositorytest.ID), "a backup without large files has none")

	require.NoError(t, os.Mkdir(sent, 0o700))
	require.NoError(t, r.Discard(ctx, repositorytest.ID))
	require.NoDirExists(t, sent, "a run that ends removes it, too")
	require.NoError(t, os.Mkdir(sent, 0o700))
	other := backup.ID("1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12")
	require.NoError(t, r.Begin(ctx, other))
	require.NoDirExists(t, sent, "and so does the next run")
}

func TestBeginClearsWhatDeadRunsLeft(t *testing.T) {
	r, _, root := testRepository(t)
	ctx := t.Context()
	dead := backup.ID("1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	require.NoError(t, r.Begin(ctx, dead))
	_, err := r.Put(ctx, dead, "key.age", []byte("x"))
	require.NoError(t, err)
	incoming := filepath.Join(root, "local", "incoming")
	for _, name := range []string{"probe-" + string(dead), "probe-" + string(dead) + "-renamed", "somebody-elses.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(incoming, name), nil, 0o600))
	}
	require.NoError(t, r.Begin(ctx, repositorytest.ID))
	left, err := os.ReadDir(incoming)
	require.NoError(t, err)
	require.Len(t, left, 2)
	require.Equal(t, string(repositorytest.ID), left[0].Name())
	require.Equal(t, "somebody-elses.txt", left[1].Name(), "what is not ours stays")
}

func TestListPassesOverWhatIsNoBackup(t *testing.T) {
	r, _, root := testRepository(t)
	ctx := t.Context()
	empty, err := r.List(ctx, 0)
	require.NoError(t, err)
	require.Empty(t, empty.Backups)
	backups := filepath.Join(root, "local", "backups")
	require.NoError(t, os.MkdirAll(filepath.Join(backups, "20261122T083000Z_"+string(repositorytest.ID)), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(backups, "junk"), 0o700))
	damaged := filepath.Join(backups, "20261122T093000Z_1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	require.NoError(t, os.MkdirAll(damaged, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(damaged, backup.ManifestFile), []byte("{"), 0o600))
	listing, err := r.List(ctx, 0)
	require.NoError(t, err)
	require.Empty(t, listing.Backups)
	require.Len(t, listing.Unreadable, 2)
	require.Equal(t, backup.Foreign{Count: 1, Names: []string{"local/backups/junk"}}, listing.Foreign)
	previous, _, err := r.Newest(ctx)
	require.NoError(t, err)
	require.Nil(t, previous)
	_, err = r.Open(ctx, backup.Ref{ID: "2b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"})
	require.ErrorIs(t, err, fault.BackupNotFound)
	_, err = r.Open(ctx, backup.Ref{ID: "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"})
	require.ErrorIs(t, err, fault.BackupDamaged)
	gone, err := r.Delete(ctx, "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", repository.DeleteOptions{})
	require.NoError(t, err, "a damaged backup can be deleted")
	require.Equal(t, backup.Deleted, gone.Status)
	require.NoDirExists(t, damaged)
}

func TestCheckNamesWhatDoesNotBelong(t *testing.T) {
	r, _, root := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.Begin(ctx, repositorytest.ID))
	part, err := r.Put(ctx, repositorytest.ID, "ad.tar.zst.age", []byte("part"))
	require.NoError(t, err)
	sums, err := r.Put(ctx, repositorytest.ID, backup.SumsFile, backup.EncodeSums([]backup.File{part}))
	require.NoError(t, err)
	for _, work := range []string{"ad.tar.zst.age.index", "ca.tar.zst.age.1f.part", "nrp.tar.zst.age"} {
		_, err = r.Put(ctx, repositorytest.ID, work, []byte("of an attempt that failed"))
		require.NoError(t, err)
	}
	found, err := r.Check(ctx, repositorytest.ID, []backup.File{sums})
	require.NoError(t, err)
	require.Zero(t, found)
	for _, name := range []string{"stranger", "notes (1).txt", "Key.age"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "local", backup.IncomingPath(repositorytest.ID), name), []byte("x"), 0o600))
	}
	found, err = r.Check(ctx, repositorytest.ID, []backup.File{sums})
	require.NoError(t, err)
	in := "local/incoming/" + string(repositorytest.ID) + "/"
	require.Equal(t, backup.Foreign{Count: 3, Names: []string{in + "Key.age (moved out of the way)", in + "stranger", in + "notes (1).txt"}}, found)
	entries, err := r.Files().List(ctx, r.Files().At(backup.IncomingPath(repositorytest.ID)))
	require.NoError(t, err)
	require.Equal(t, []string{"Key.age.foreign-1", "SHA256SUMS", "ad.tar.zst.age", "stranger"}, namesOf(entries))
	require.NoError(t, r.Files().Remove(ctx, r.Files().At(backup.IncomingPath(repositorytest.ID), "ad.tar.zst.age")))
	_, err = r.Check(ctx, repositorytest.ID, []backup.File{sums})
	require.ErrorIs(t, err, fault.BackupDamaged)
}

func namesOf(entries []share.Info) []string {
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name)
	}
	return names
}

func TestListReportsAManifestThatMayNotBeRead(t *testing.T) {
	k := newFixture(t, 3)
	first, second := k.BackUp(), k.BackUp()
	file := k.Repo.Files().At(backup.BackupsDir, second.Folder, backup.ManifestFile)
	listing, err := repository.New(&repositorytest.RefusingStore{Store: k.Store, Code: fault.ShareAccessDenied, Below: file}, k.Repo.Files().Instance()).List(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, listing.Backups, 1)
	require.Equal(t, first.ID, listing.Backups[0].BackupID)
	require.Len(t, listing.Unreadable, 1)
	require.Equal(t, string(fault.ShareAccessDenied), listing.Unreadable[0].Code)
	require.Equal(t, file, listing.Unreadable[0].File)
	require.NotEmpty(t, listing.Unreadable[0].Message)
}

// TestAnUploadHasItsNameWhenItWasCompared: nobody finds a file under its name that was not
// read back.
func TestAnUploadHasItsNameWhenItWasCompared(t *testing.T) {
	_, store, root := testRepository(t)
	final := filepath.Join(root, "local", backup.IncomingPath(repositorytest.ID), "ad.tar.zst.age")
	read := 0
	r := repository.New(&repositorytest.HookStore{Store: store, OnDownload: func(string) {
		read++
		require.NoFileExists(t, final)
	}}, "local")
	require.NoError(t, r.Begin(t.Context(), repositorytest.ID))
	data := bytes.Repeat([]byte("cipher text of a part"), share.SmallFile/20) // a smaller one is read back by the store
	file := folder.Describe("ad.tar.zst.age", data)
	require.NoError(t, r.Upload(t.Context(), repositorytest.ID, file, bytes.NewReader(data), repository.UploadOptions{Token: "t"}))
	require.Positive(t, read)
	require.FileExists(t, final)
}

// TestWhatWasSealedIsReadBack: what is not on the share as it was written is no backup.
func TestWhatWasSealedIsReadBack(t *testing.T) {
	r, store, root := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.Begin(ctx, repositorytest.ID))
	part, err := r.Put(ctx, repositorytest.ID, "ad.tar.zst.age", []byte("part"))
	require.NoError(t, err)
	sums, err := r.Put(ctx, repositorytest.ID, backup.SumsFile, backup.EncodeSums([]backup.File{part}))
	require.NoError(t, err)
	signature, err := r.Put(ctx, repositorytest.ID, backup.SignatureFile, []byte("signature"))
	require.NoError(t, err)
	written := []backup.File{sums, signature}
	_, err = r.Check(ctx, repositorytest.ID, written)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "local", backup.IncomingPath(repositorytest.ID), backup.SignatureFile), []byte("signaturf"), 0o600))
	_, err = r.Check(ctx, repositorytest.ID, written)
	require.ErrorIs(t, err, fault.ShareCorrupted)
	store.Corrupt = true
	_, err = r.Put(ctx, repositorytest.ID, backup.SignatureFile, []byte("signature"))
	require.ErrorIs(t, err, fault.ShareCorrupted)
}
