package smb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb"
)

// pattern is a source of any size whose bytes say where they are from; at calls
// happens once when the reading gets to an offset.
type pattern struct {
	at    int64
	then  func()
	calls *sync.Once
}

func (p pattern) ReadAt(b []byte, offset int64) (int, error) {
	if p.then != nil && offset >= p.at {
		p.calls.Do(p.then)
	}
	var word [8]byte
	for i := 0; i < len(b); {
		at := offset + int64(i)
		binary.LittleEndian.PutUint64(word[:], uint64(at/8)*0x9E3779B97F4A7C15)
		i += copy(b[i:], word[at%8:])
	}
	return len(b), nil
}

func (p pattern) check(t *testing.T, path string, size int64) {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	got, want := make([]byte, 1<<20), make([]byte, 1<<20)
	var at int64
	for {
		n, err := io.ReadFull(f, got)
		_, _ = p.ReadAt(want[:n], at) // never fails
		require.True(t, bytes.Equal(want[:n], got[:n]), "differs at %d", at)
		at += int64(n)
		if err != nil {
			break
		}
	}
	require.Equal(t, size, at)
}

// The server dies in the middle of an upload and comes back: what was reported as
// flushed is there, and the upload continues from it with the same Store.
func TestResumeAfterCrash(t *testing.T) {
	server := startSamba(t, "")
	store := server.open()
	ctx := t.Context()
	const size = 230<<20 + 4321
	var flushed int64
	report := func(offset int64) { flushed = offset }
	source := pattern{at: 190 << 20, then: server.Kill, calls: new(sync.Once)}
	err := store.Upload(ctx, "part", source, 0, size, report)
	require.ErrorIs(t, err, fault.ShareUnreachable)
	require.GreaterOrEqual(t, flushed, int64(62<<20), "190 MiB may not be more than two checkpoints ahead")
	require.Less(t, flushed, int64(size))
	_, err = store.Stat(ctx, "part")
	require.ErrorIs(t, err, fault.ShareUnreachable)

	server.Start()
	info, err := store.Stat(ctx, "part")
	require.NoError(t, err)
	require.GreaterOrEqual(t, info.Size, flushed)
	require.NoError(t, store.Upload(ctx, "part", pattern{}, flushed, size, report))
	require.Equal(t, int64(size), flushed)
	pattern{}.check(t, filepath.Join(server.Folder, "part"), size)
}

// Reading meets the same crash; an open file reads on afterwards.
func TestReadAfterCrash(t *testing.T) {
	server := startSamba(t, "")
	store := server.open()
	ctx := t.Context()
	const size = 100 << 20
	require.NoError(t, store.Upload(ctx, "part", pattern{}, 0, size, nil))
	file, err := store.Open(ctx, "part")
	require.NoError(t, err)
	buffer := make([]byte, 8)
	_, err = file.ReadAt(buffer, 8)
	require.NoError(t, err)

	var once sync.Once
	n, err := store.Download(ctx, "part", 0, writer(func(p []byte) (int, error) { once.Do(server.Kill); return len(p), nil }))
	require.ErrorIs(t, err, fault.ShareUnreachable)
	require.Less(t, n, int64(size))
	_, err = file.ReadAt(buffer, 16)
	require.ErrorIs(t, err, fault.ShareUnreachable)

	server.Start()
	_, err = file.ReadAt(buffer, 16)
	require.NoError(t, err)
	want := make([]byte, 8)
	_, _ = pattern{}.ReadAt(want, 16) // never fails
	require.Equal(t, want, buffer)
	require.NoError(t, file.Close())
	n, err = store.Download(ctx, "part", 0, io.Discard)
	require.NoError(t, err)
	require.Equal(t, int64(size), n)
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// A server that stops answering, with its connections open, costs the stall limit
// and no more.
func TestStalledServer(t *testing.T) {
	server := startSamba(t, "")
	config := server.config()
	config.StallTimeout = time.Second
	store := openStore(t, config)
	ctx := t.Context()
	var stopped atomic.Bool
	stop := func() {
		stopped.Store(true)
		require.NoError(t, syscall.Kill(-server.cmd.Process.Pid, syscall.SIGSTOP))
	}
	source := pattern{at: 30 << 20, then: stop, calls: new(sync.Once)}
	for range 5 { // on a busy machine the server may need longer for an answer before it is stopped
		start := time.Now()
		require.ErrorIs(t, store.Upload(ctx, "part", source, 0, 500<<20, nil), fault.ShareUnreachable)
		require.Less(t, time.Since(start), 20*time.Second)
		if stopped.Load() {
			break
		}
	}
	require.True(t, stopped.Load())
	_, err := store.Stat(ctx, "part")
	require.ErrorIs(t, err, fault.ShareUnreachable)

	// The end of the caller's context is not waited for either.
	config.StallTimeout, config.DialTimeout = time.Hour, time.Hour
	limited, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err = store.Stat(limited, "part")
	require.Error(t, err)
	_, err = smb.Open(limited, config)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	require.NoError(t, syscall.Kill(-server.cmd.Process.Pid, syscall.SIGCONT))
	_, err = store.Stat(ctx, "part")
	require.NoError(t, err)
}

// A transfer that its caller gives up ends at once, also when the server hangs.
func TestCancelStalledTransfer(t *testing.T) {
	server := startSamba(t, "")
	store := server.open()
	ctx, cancel := context.WithCancel(t.Context())
	stop := func() {
		require.NoError(t, syscall.Kill(-server.cmd.Process.Pid, syscall.SIGSTOP))
		time.AfterFunc(100*time.Millisecond, cancel)
	}
	start := time.Now()
	err := store.Upload(ctx, "part", pattern{at: 30 << 20, then: stop, calls: new(sync.Once)}, 0, 500<<20, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(start), 20*time.Second)
	require.NoError(t, syscall.Kill(-server.cmd.Process.Pid, syscall.SIGCONT))
}

func TestFullDisk(t *testing.T) {
	needLab(t)
	folder := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", folder, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(folder, unix.MNT_DETACH)) })
	server := startSamba(t, folder)
	store := server.open()
	ctx := t.Context()
	room, err := store.Space(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(8<<20), room.Total)
	require.LessOrEqual(t, room.Free, room.Total)
	require.ErrorIs(t, store.Upload(ctx, "part", pattern{}, 0, 20<<20, nil), fault.ShareFull)
	require.NoError(t, store.Remove(ctx, "part"))
	require.NoError(t, store.Upload(ctx, "part", pattern{}, 0, 1<<20, nil))
}

// A name that somebody has open is waited for.
func TestRemoveWaitsForOpenFile(t *testing.T) {
	server := startSamba(t, "")
	store := server.open()
	ctx := t.Context()
	require.NoError(t, store.Upload(ctx, "part", pattern{}, 0, 10, nil))
	file, err := store.Open(ctx, "part")
	require.NoError(t, err)
	closed := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() { closed <- file.Close() })
	require.NoError(t, store.Rename(ctx, "part", "renamed"))
	require.NoError(t, <-closed)

	file, err = store.Open(ctx, "renamed")
	require.NoError(t, err)
	limited, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	require.ErrorIs(t, store.Remove(limited, "renamed"), fault.ShareBusy, "the reason, before the time is over")
	require.NoError(t, file.Close())
}

// The answer to a rename gets lost: the caller learns that the connection broke,
// and can find out that the rename was done.
func TestLostRenameReply(t *testing.T) {
	server := startSamba(t, "")
	config := server.config()
	var line *cutLine
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		line = &cutLine{Conn: conn}
		return line, nil
	}
	store := openStore(t, config)
	ctx := t.Context()
	require.NoError(t, store.MkdirAll(ctx, "incoming"))
	line.after.Store(2) // CREATE, then SET_INFO with the new name
	require.ErrorIs(t, store.Rename(ctx, "incoming", "backups"), fault.ShareUnreachable)

	info, err := store.Stat(ctx, "backups")
	require.NoError(t, err)
	require.True(t, info.IsDir)
	err = store.Rename(ctx, "incoming", "backups")
	require.True(t, errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist), err)
	_, err = store.Stat(ctx, "incoming")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// cutLine breaks when the answer to the n-th request from now arrives.
type cutLine struct {
	net.Conn
	after atomic.Int64 // requests until the cut, 0 for never
	cut   atomic.Bool
}

func (l *cutLine) Write(p []byte) (int, error) {
	if len(p) != 4 && l.after.Load() > 0 && l.after.Add(-1) == 0 { // 4: a frame's length
		l.cut.Store(true)
	}
	return l.Conn.Write(p)
}

func (l *cutLine) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.cut.Load() {
		return 0, errors.Join(io.ErrUnexpectedEOF, l.Close())
	}
	return n, err
}

// What is said to be flushed was flushed: the server notes each time that it had a file
// written to its disk. Nothing else can be told from outside without a power cut.
func TestCheckpointsAreFlushed(t *testing.T) {
	server := startSamba(t, "", "[share]", "vfs objects = full_audit", "full_audit:syslog = no", "full_audit:prefix = AUDIT",
		"full_audit:success = fsync_recv", "full_audit:failure = none")
	flushes := func() int {
		log, err := os.ReadFile(filepath.Join(server.dir, "log"))
		require.NoError(t, err)
		return bytes.Count(log, []byte("AUDIT|fsync_recv|ok|"))
	}
	store := server.open()
	reported := 0
	require.NoError(t, store.Upload(t.Context(), "part", pattern{}, 0, 100<<20, func(int64) { reported++ }))
	require.GreaterOrEqual(t, reported, 2, "a checkpoint within the file, and its end")
	require.GreaterOrEqual(t, flushes(), reported)
	before := flushes()
	require.NoError(t, store.Upload(t.Context(), "small", pattern{}, 0, 100, nil))
	require.Greater(t, flushes(), before)
}
