package privsep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// requireNoChild makes sure that no process is left behind, and none to wait for.
func requireNoChild(t testing.TB) {
	t.Helper()
	_, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
	require.ErrorIs(t, err, unix.ECHILD)
}

// decrypted opens an age file to its end.
func decrypted(t testing.TB, file []byte, ids []seal.Identity) []byte {
	t.Helper()
	r, err := seal.Decrypt(bytes.NewReader(file), ids[0])
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	return plain
}

func TestChildEncrypts(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcde"), 100_000)
	for name, sizes := range map[string][]int{"X25519": {0, 1, 64 << 10, maxFrame + 1, len(large)}, "hybrid": {100}} {
		recipient, ids := operatorKey(t, name == "hybrid")
		for _, size := range sizes {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				var file bytes.Buffer
				w, err := NewEncrypter(self(t)).Encrypt(t.Context(), &file, recipient)
				require.NoError(t, err)
				_, err = io.Copy(w, bytes.NewReader(large[:size]))
				require.NoError(t, err)
				require.NoError(t, w.Close())
				require.NoError(t, w.Close(), "the second gives what the first gave")
				_, err = w.Write([]byte("x"))
				require.Error(t, err)
				require.True(t, bytes.Equal(large[:size], decrypted(t, file.Bytes(), ids)))
				requireNoChild(t)
			})
		}
	}
}

func TestChildRefusesARecipient(t *testing.T) {
	for name, recipient := range map[string]string{
		"none": "", "malformed": "age1canary", "a private key": "AGE-SECRET-KEY-1CANARY", "a flag": "--config",
	} {
		t.Run(name, func(t *testing.T) {
			w, err := NewEncrypter("/no/such/program").Encrypt(t.Context(), io.Discard, recipient)
			require.ErrorIs(t, err, fault.KeyInvalid, "before there is a child")
			require.NotContains(t, err.Error(), "1CANARY")
			require.Nil(t, w)
		})
	}
	p := newProcess()
	require.Equal(t, fault.ExitUsage, p.run(t, encryptMode, "age1canary"), "the child does, too")
	require.Empty(t, p.out.String())
	require.Contains(t, p.err.String(), "KEY_INVALID")
}

// encryptShell is a child that does something else.
func encryptShell(script string) Encrypter {
	return Encrypter{program: "/bin/sh", args: []string{"-c", script}}
}

func TestEncryptionThatBreaksDown(t *testing.T) {
	t.Setenv("CANARY", "of the worker's environment")
	recipient, _ := operatorKey(t, false)
	for name, test := range map[string]struct {
		script string
		want   string
	}{
		"killed":                    {`kill -9 $$`, "signal: killed"},
		"killed in the middle":      {`head -c 100000; kill -9 $$`, "signal: killed"},
		"killed at the end":         {`cat; kill -9 $$`, "signal: killed"},
		"fails with words":          {`cat >/dev/null; echo no luck >&2; exit 3`, `said "no luck\n" (exit status 3)`},
		"does not stop complaining": {`exec cat /dev/zero >&2`, "the process that encrypts a file"},
		"does not read":             {`exec <&-; exec sleep 600`, "signal: killed"},
		"does not read and ends":    {`exit 0`, "the process that encrypts a file ended before"},
		"takes it and gives none":   {`exec cat >/dev/null`, "made 0 bytes of 2000000"},
		"gets no environment":       {`cat >/dev/null; echo "${CANARY-nothing}" >&2; exit 1`, `said "nothing\n"`},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := encryptShell(test.script).Encrypt(t.Context(), io.Discard, recipient)
			require.NoError(t, err)
			_, writeErr := w.Write(make([]byte, 2_000_000))
			err = w.Close()
			require.ErrorIs(t, err, fault.Internal, "which is tried again")
			require.ErrorContains(t, err, test.want)
			if writeErr != nil {
				require.Equal(t, err, writeErr, "Write names the cause as well")
			}
			requireNoChild(t)
		})
	}
	_, err := Encrypter{program: "/no/such/program"}.Encrypt(t.Context(), io.Discard, recipient)
	require.ErrorIs(t, err, fault.Internal)
	require.ErrorContains(t, err, "no such file")
}

func TestEncryptionThatIsCancelled(t *testing.T) {
	recipient, ids := operatorKey(t, false)
	requireGivenUp := func(t *testing.T, err error) {
		t.Helper()
		require.ErrorIs(t, err, context.Canceled, "so that the activity ends as cancelled")
		_, known := fault.Of(err)
		require.False(t, known)
		requireNoChild(t)
	}
	t.Run("while it is written to", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var file bytes.Buffer
		w, err := NewEncrypter(self(t)).Encrypt(ctx, &calling{&file, cancel}, recipient)
		require.NoError(t, err)
		for err == nil {
			_, err = w.Write(make([]byte, frameSize))
		}
		requireGivenUp(t, err)
		requireGivenUp(t, w.Close())
		r, err := seal.Decrypt(bytes.NewReader(file.Bytes()), ids[0])
		if err == nil {
			_, err = io.ReadAll(r)
		}
		require.ErrorIs(t, err, fault.BackupDamaged, "it does not look complete")
	})
	t.Run("while it waits for the child", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := encryptShell(`echo begun; exec sleep 600`).Encrypt(ctx, &calling{io.Discard, cancel}, recipient)
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 8*frameSize))
		requireGivenUp(t, err)
		requireGivenUp(t, w.Close())
	})
	t.Run("before its end", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := encryptShell(`exec sleep 600`).Encrypt(ctx, io.Discard, recipient)
		require.NoError(t, err)
		_, err = w.Write([]byte("small enough to wait in the buffer"))
		require.NoError(t, err)
		cancel()
		requireGivenUp(t, w.Close())
	})
	t.Run("before it begins", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := NewEncrypter(self(t)).Encrypt(ctx, io.Discard, recipient)
		requireGivenUp(t, err)
	})
}

// calling calls fn when something is written to it.
type calling struct {
	io.Writer
	fn func()
}

func (c *calling) Write(p []byte) (int, error) {
	c.fn()
	return c.Writer.Write(p)
}

func TestEncryptionOntoAFullDisk(t *testing.T) {
	recipient, _ := operatorKey(t, false)
	full := fault.Newf(fault.SpoolFull, "full")
	t.Run("in the middle", func(t *testing.T) {
		var room atomic.Int64
		room.Store(3 << 20)
		w, err := NewEncrypter(self(t)).Encrypt(t.Context(), &bounded{&room, full}, recipient)
		require.NoError(t, err)
		written := 0
		for err == nil {
			_, err = w.Write(make([]byte, frameSize))
			written++
		}
		require.Equal(t, full, err)
		require.Less(t, written, 100, "what fails is noticed soon")
		require.Equal(t, full, w.Close())
		requireNoChild(t)
	})
	t.Run("at the end", func(t *testing.T) {
		w, err := NewEncrypter(self(t)).Encrypt(t.Context(), failing{full}, recipient)
		require.NoError(t, err)
		require.Equal(t, full, w.Close())
		requireNoChild(t)
	})
}

// A service manager that stops the worker signals its children, too.
func TestEncryptionOutlivesTheCallToStop(t *testing.T) {
	recipient, ids := operatorKey(t, false)
	var file bytes.Buffer
	begun := make(chan struct{})
	w, err := NewEncrypter(self(t)).Encrypt(t.Context(), &calling{&file, sync.OnceFunc(func() { close(begun) })}, recipient)
	require.NoError(t, err)
	<-begun
	for _, signal := range []os.Signal{unix.SIGTERM, os.Interrupt} {
		require.NoError(t, w.(*encryption).cmd.Process.Signal(signal))
	}
	_, err = w.Write([]byte("plain text"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Equal(t, "plain text", string(decrypted(t, file.Bytes(), ids)))
}

// bounded is a disk that is full some time.
type bounded struct {
	room *atomic.Int64
	full error
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.room.Add(-int64(len(p))) < 0 {
		return 0, b.full
	}
	return len(p), nil
}

// The worker may die at any byte: the child then ends, and what it wrote is not complete.
func TestEncryptRefusesAnEarlyEnd(t *testing.T) {
	recipient, ids := operatorKey(t, false)
	stream := framed(t, []byte("plain text"))
	for end := range stream {
		p := newProcess()
		p.Stdin = bytes.NewReader(stream[:end])
		require.Equal(t, fault.ExitFailed, p.run(t, encryptMode, recipient), "cut at %d", end)
		require.Contains(t, p.err.String(), "INTERNAL: standard input cannot be encrypted to its end (unexpected EOF)")
		r, err := seal.Decrypt(strings.NewReader(p.out.String()), ids[0])
		require.NoError(t, err)
		_, err = io.ReadAll(r)
		require.ErrorIs(t, err, fault.BackupDamaged)
	}
	p := newProcess()
	p.Stdin = bytes.NewReader(stream)
	require.Equal(t, fault.ExitOK, p.run(t, encryptMode, recipient))
	require.Empty(t, p.err.String())
	require.Equal(t, "plain text", string(decrypted(t, []byte(p.out.String()), ids)))
}

func TestEncryptThatCannotWrite(t *testing.T) {
	recipient, _ := operatorKey(t, false)
	broken := errors.New("broken")
	for name, room := range map[string]int64{"the header": 0, "a piece": 100 << 10, "the last piece": 200 << 10} {
		t.Run(name, func(t *testing.T) {
			var left atomic.Int64
			left.Store(room)
			p := newProcess()
			p.Stdin, p.Stdout = bytes.NewReader(framed(t, make([]byte, 200<<10))), &bounded{&left, broken}
			require.Equal(t, fault.ExitFailed, p.run(t, encryptMode, recipient))
			require.Contains(t, p.err.String(), "broken")
		})
	}
	p := newProcess()
	p.Confine = func() error { return fault.Newf(fault.Internal, "not confined") }
	require.Equal(t, fault.ExitFailed, p.run(t, encryptMode, recipient))
	require.Contains(t, p.err.String(), "not confined")
	require.Empty(t, p.out.String())
}

// BenchmarkEncrypt compares the child with the same in this process.
func BenchmarkEncrypt(b *testing.B) {
	recipient, _ := operatorKey(b, false)
	piece := make([]byte, 1<<20)
	const pieces = 256
	for name, start := range map[string]func(context.Context, io.Writer, string) (io.WriteCloser, error){
		"in this process": func(_ context.Context, w io.Writer, recipient string) (io.WriteCloser, error) {
			return seal.Encrypt(w, recipient)
		},
		"in a child": NewEncrypter(self(b)).Encrypt,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(pieces * int64(len(piece)))
			for b.Loop() {
				out, err := os.Create(b.TempDir() + "/out")
				require.NoError(b, err)
				w, err := start(b.Context(), out, recipient)
				require.NoError(b, err)
				for range pieces {
					_, err := w.Write(piece)
					require.NoError(b, err)
				}
				require.NoError(b, w.Close())
				require.NoError(b, out.Close())
				require.NoError(b, os.Remove(out.Name()))
			}
		})
	}
}
