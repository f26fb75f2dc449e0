package dir_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/share/sharetest"
)

func open(t *testing.T) share.Store {
	store, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func TestStore(t *testing.T) { sharetest.TestStore(t, open) }

func TestOpenMissing(t *testing.T) {
	_, err := dir.Open(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fault.SharePathNotFound)
}

// Links and devices within the folder are neither followed nor listed, wherever
// they lead.
func TestRefusesLinks(t *testing.T) {
	ctx := t.Context()
	outside, folder := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "file"), []byte("x"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(folder, "out")))
	require.NoError(t, os.Symlink("file", filepath.Join(folder, "within")))
	require.NoError(t, unix.Mkfifo(filepath.Join(folder, "pipe"), 0o600))
	store, err := dir.Open(folder)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()

	for _, path := range []string{"out", "out/secret", "out/new", "within", "pipe"} {
		for name, call := range map[string]func() error{
			"Stat":     func() error { _, err := store.Stat(ctx, path); return err },
			"List":     func() error { _, err := store.List(ctx, path); return err },
			"Open":     func() error { _, err := store.Open(ctx, path); return err },
			"Download": func() error { _, err := store.Download(ctx, path, 0, io.Discard); return err },
			"Upload":   func() error { return store.Upload(ctx, path, bytes.NewReader(nil), 0, 0, nil) },
			"MkdirAll": func() error { return store.MkdirAll(ctx, path) },
			"Remove":   func() error { return store.Remove(ctx, path) },
			"Rename":   func() error { return store.Rename(ctx, path, "renamed") },
			"to":       func() error { return store.Rename(ctx, "file", path) },
		} {
			require.ErrorIs(t, call(), fault.ShareUnsupported, "%s %s", name, path)
		}
	}
	list, err := store.List(ctx, "")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "file", list[0].Name)
	strangers, err := store.Strangers(ctx, "")
	require.NoError(t, err)
	require.Equal(t, []string{"out", "pipe", "within"}, strangers)
	require.NoFileExists(t, filepath.Join(outside, "new"))
}

// What List leaves out because of its name can still be reported.
func TestStrangers(t *testing.T) {
	folder := t.TempDir()
	store, err := dir.Open(folder)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for _, name := range []string{"file", "a b", "ä", "\x1b[2J", "\xff", "con", "dot."} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), nil, 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(folder, "@eaDir"), 0o700))
	strangers, err := store.Strangers(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []string{"\x1b[2J", "@eaDir", "a b", "con", "dot.", "ä", "\xff"}, strangers)
	for i := range share.MaxStrangers {
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("! %03d", i)), nil, 0o600))
	}
	strangers, err = store.Strangers(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, strangers, share.MaxStrangers)
	require.Equal(t, "! 098", strangers[share.MaxStrangers-1], "the first ones in order")
}

// A full disk and a read-only one have codes of their own.
func TestDiskFaults(t *testing.T) {
	store, err := dir.Open(smallDisk(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	ctx := t.Context()
	data := make([]byte, 3<<20)
	require.ErrorIs(t, store.Upload(ctx, "file", bytes.NewReader(data), 0, int64(len(data)), nil), fault.ShareFull)
	require.NoError(t, store.Remove(ctx, "file"))
	require.NoError(t, unix.Mount("", store.String(), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	require.ErrorIs(t, store.Upload(ctx, "file", bytes.NewReader(nil), 0, 0, nil), fault.ShareReadOnly)
	require.ErrorIs(t, store.MkdirAll(ctx, "folder"), fault.ShareReadOnly)
}

// smallDisk mounts a RAM disk of 2 MB, which needs root.
func smallDisk(t *testing.T) string {
	folder := t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=2m"); err != nil {
		if os.Getenv("INFRABACKUP_REQUIRE_LAB") == "1" {
			t.Fatalf("a RAM disk cannot be mounted: %v", err)
		}
		t.Skipf("a RAM disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(folder, unix.MNT_DETACH)) })
	return folder
}

// Every checkpoint is reported, and reading what was reported finds it.
func TestFlushedCheckpoints(t *testing.T) {
	store := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	const size = 130 << 20
	var offsets []int64
	require.NoError(t, store.Upload(ctx, "file", zeros{}, 0, size, func(offset int64) { offsets = append(offsets, offset) }))
	require.Equal(t, []int64{64 << 20, 128 << 20, size}, offsets)

	offsets = nil
	err := store.Upload(ctx, "file", zeros{}, 0, size, func(offset int64) { offsets = append(offsets, offset); cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []int64{64 << 20}, offsets)
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
