package repository

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

const testID = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")

// lying is a store that does not do what it says.
type lying struct {
	share.Store
	corrupt   bool // stores a flipped bit
	loseReply bool // renames, and then reports a failure
}

// Upload implements share.Store.
func (l *lying) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	if l.corrupt && size > 0 {
		data := make([]byte, size)
		if _, err := src.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		data[size/2] ^= 1
		src = bytes.NewReader(data)
	}
	return l.Store.Upload(ctx, path, src, from, size, flushed)
}

// Rename implements share.Store.
func (l *lying) Rename(ctx context.Context, from, to string) error {
	err := l.Store.Rename(ctx, from, to)
	if err == nil && l.loseReply {
		return fault.Newf(fault.ShareUnreachable, "the reply was lost")
	}
	return err
}

func testRepository(t *testing.T) (*Repository, *lying, string) {
	t.Helper()
	folder := t.TempDir()
	store, err := dir.Open(folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	l := &lying{Store: store}
	return New(l, "local"), l, folder
}

func TestWritePathCorruptionIsCaught(t *testing.T) {
	r, store, _ := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.Begin(ctx, testID))
	data := []byte("cipher text of a part")
	file := describe("ad.tar.zst.age", data)
	store.corrupt = true
	err := r.Upload(ctx, testID, file, bytes.NewReader(data), UploadOptions{Token: "t"})
	require.ErrorIs(t, err, fault.ShareCorrupted)
	require.ErrorIs(t, r.Probe(ctx, "x"), fault.ShareCorrupted)
	store.corrupt = false
	require.NoError(t, r.Upload(ctx, testID, file, bytes.NewReader(data), UploadOptions{Token: "t"}), "the next attempt begins anew")
}

func TestLostRepliesAreFound(t *testing.T) {
	r, store, _ := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.store.MkdirAll(ctx, r.at(backup.BackupsDir)))
	require.NoError(t, r.Begin(ctx, testID))
	data := []byte("cipher text of a part")
	store.loseReply = true
	require.NoError(t, r.Upload(ctx, testID, describe("ad.tar.zst.age", data), bytes.NewReader(data), UploadOptions{Token: "t"}))
	started := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	path, err := r.Publish(ctx, testID, started)
	require.NoError(t, err)
	require.Equal(t, "local/backups/20261122T083000Z_"+string(testID), path)
	again, err := r.Publish(ctx, testID, started)
	require.NoError(t, err)
	require.Equal(t, path, again)
}

func TestAnEarlierCapturesPartGivesWay(t *testing.T) {
	r, _, folder := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.Begin(ctx, testID))
	for _, text := range []string{"first capture", "second capture"} {
		data := []byte(text)
		require.NoError(t, r.Upload(ctx, testID, describe("ad.tar.zst.age", data), bytes.NewReader(data), UploadOptions{Token: text[:5]}))
	}
	got, err := os.ReadFile(filepath.Join(folder, "local", "incoming", string(testID), "ad.tar.zst.age"))
	require.NoError(t, err)
	require.Equal(t, "second capture", string(got))
}

func TestBeginClearsWhatDeadRunsLeft(t *testing.T) {
	r, _, folder := testRepository(t)
	ctx := t.Context()
	dead := backup.ID("1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	require.NoError(t, r.Begin(ctx, dead))
	_, err := r.Put(ctx, dead, "key.age", []byte("x"))
	require.NoError(t, err)
	incoming := filepath.Join(folder, "local", "incoming")
	for _, name := range []string{"probe-" + string(dead), "probe-" + string(dead) + "-renamed", "somebody-elses.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(incoming, name), nil, 0o600))
	}
	require.NoError(t, r.Begin(ctx, testID))
	left, err := os.ReadDir(incoming)
	require.NoError(t, err)
	require.Len(t, left, 2)
	require.Equal(t, string(testID), left[0].Name())
	require.Equal(t, "somebody-elses.txt", left[1].Name(), "what is not ours stays")
}

func TestListPassesOverWhatIsNoBackup(t *testing.T) {
	r, _, folder := testRepository(t)
	ctx := t.Context()
	empty, err := r.List(ctx, 0)
	require.NoError(t, err)
	require.Empty(t, empty.Backups)
	backups := filepath.Join(folder, "local", "backups")
	require.NoError(t, os.MkdirAll(filepath.Join(backups, "20261122T083000Z_"+string(testID)), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(backups, "junk"), 0o700))
	damaged := filepath.Join(backups, "20261122T093000Z_1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	require.NoError(t, os.MkdirAll(damaged, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(damaged, backup.ManifestFile), []byte("{"), 0o600))
	listing, err := r.List(ctx, 0)
	require.NoError(t, err)
	require.Empty(t, listing.Backups)
	require.Len(t, listing.Unreadable, 2)
	require.Equal(t, backup.Foreign{Count: 1, Names: []string{"local/backups/junk"}}, listing.Foreign)
	previous, err := r.Newest(ctx)
	require.NoError(t, err)
	require.Nil(t, previous)
	_, err = r.Open(ctx, "2b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	require.ErrorIs(t, err, fault.BackupNotFound)
	_, err = r.Open(ctx, "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	require.ErrorIs(t, err, fault.BackupDamaged)
	gone, err := r.Delete(ctx, "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", false)
	require.NoError(t, err, "a damaged backup can be deleted")
	require.Equal(t, backup.Deleted, gone.Status)
	require.NoDirExists(t, damaged)
}

func TestCheckNamesWhatDoesNotBelong(t *testing.T) {
	r, _, folder := testRepository(t)
	ctx := t.Context()
	require.NoError(t, r.Begin(ctx, testID))
	part, err := r.Put(ctx, testID, "ad.tar.zst.age", []byte("part"))
	require.NoError(t, err)
	sums, err := r.Put(ctx, testID, backup.SumsFile, backup.EncodeSums([]backup.File{part}))
	require.NoError(t, err)
	for _, work := range []string{"ad.tar.zst.age.index", "ca.tar.zst.age.1f.part", "nrp.tar.zst.age"} {
		_, err = r.Put(ctx, testID, work, []byte("of an attempt that failed"))
		require.NoError(t, err)
	}
	found, err := r.Check(ctx, testID, []backup.File{sums})
	require.NoError(t, err)
	require.Zero(t, found)
	for _, name := range []string{"stranger", "notes (1).txt", "Key.age"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "local", backup.IncomingPath(testID), name), []byte("x"), 0o600))
	}
	found, err = r.Check(ctx, testID, []backup.File{sums})
	require.NoError(t, err)
	in := "local/incoming/" + string(testID) + "/"
	require.Equal(t, backup.Foreign{Count: 3, Names: []string{in + "Key.age (moved out of the way)", in + "stranger", in + "notes (1).txt"}}, found)
	entries, err := r.store.List(ctx, r.incoming(testID))
	require.NoError(t, err)
	require.Equal(t, []string{"Key.age.foreign-1", "SHA256SUMS", "ad.tar.zst.age", "stranger"}, namesOf(entries))
	require.NoError(t, r.RemoveIncoming(ctx, testID, "ad.tar.zst.age"))
	_, err = r.Check(ctx, testID, []backup.File{sums})
	require.ErrorIs(t, err, fault.BackupDamaged)
}

func namesOf(entries []share.Info) []string {
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name)
	}
	return names
}
