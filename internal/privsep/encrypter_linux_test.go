package privsep

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/blocksum"
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

// outputFile is a file for a child to write, and what was written to it.
type outputFile struct {
	*os.File
	blocks *blocksum.Table
}

func newOutput(t testing.TB) outputFile {
	t.Helper()
	file, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	return outputFile{file, blocksum.NewTable()}
}

func (o outputFile) content(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(o.Name())
	require.NoError(t, err)
	return data
}

func (o outputFile) encrypt(ctx context.Context, e Encrypter, recipient string) (io.WriteCloser, error) {
	return e.Encrypt(ctx, o.File, recipient, o.blocks)
}

// requireSums makes sure that the sums are those of what was written.
func (o outputFile) requireSums(t testing.TB) {
	t.Helper()
	data := o.content(t)
	size, sum, ok := o.blocks.Whole()
	require.True(t, ok)
	require.Equal(t, int64(len(data)), size)
	whole := sha256.Sum256(data)
	require.Equal(t, hex.EncodeToString(whole[:]), sum)
	check := o.blocks.NewChecker()
	_, err := check.Write(data)
	require.NoError(t, err)
	require.True(t, check.Complete())
}

func TestChildEncrypts(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcde"), 400_000)
	for name, sizes := range map[string][]int{"X25519": {0, 1, 64 << 10, slotSize, slotSize + 1, sharedSize + 1, len(large)}, "hybrid": {100}} {
		recipient, ids := operatorKey(t, name == "hybrid")
		for _, size := range sizes {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				file := newOutput(t)
				w, err := file.encrypt(t.Context(), NewEncrypter(self(t)), recipient)
				require.NoError(t, err)
				_, err = io.Copy(w, bytes.NewReader(large[:size]))
				require.NoError(t, err)
				require.NoError(t, w.Close())
				require.NoError(t, w.Close(), "the second gives what the first gave")
				_, err = w.Write([]byte("x"))
				require.Error(t, err)
				require.True(t, bytes.Equal(large[:size], decrypted(t, file.content(t), ids)))
				file.requireSums(t)
				requireNoChild(t)
			})
		}
	}
}

// TestBlocksAreReportedOnTheWay: what is in the file can be read while more is written.
func TestBlocksAreReportedOnTheWay(t *testing.T) {
	recipient, _ := operatorKey(t, false)
	file := newOutput(t)
	w, err := file.encrypt(t.Context(), NewEncrypter(self(t)), recipient)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 5*blocksum.Size))
	require.NoError(t, err)
	end, ended, err := file.blocks.Wait(t.Context(), 2*blocksum.Size)
	require.NoError(t, err)
	require.False(t, ended)
	_, err = file.blocks.NewChecker().Write(file.content(t)[:end])
	require.NoError(t, err)
	require.NoError(t, w.Close())
	file.requireSums(t)
}

func TestChildRefusesARecipient(t *testing.T) {
	for name, recipient := range map[string]string{
		"none": "", "malformed": "age1canary", "a private key": "AGE-SECRET-KEY-1CANARY", "a flag": "--config",
	} {
		t.Run(name, func(t *testing.T) {
			w, err := newOutput(t).encrypt(t.Context(), NewEncrypter("/no/such/program"), recipient)
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
		"killed in the middle":      {`head -c 8 >/dev/null; kill -9 $$`, "signal: killed"},
		"killed at the end":         {`cat >/dev/null; kill -9 $$`, "signal: killed"},
		"fails with output":         {`cat >/dev/null; echo no luck >&2; exit 3`, `reported "no luck\n" (exit status 3)`},
		"does not stop complaining": {`exec cat /dev/zero >&2`, "the process that encrypts a file"},
		"does not read and ends":    {`exit 0`, "the process that encrypts a file ended before"},
		"takes it and gives none":   {`exec cat >/dev/null`, "ended before it reported the file's sums"},
		"lies of the end":           {`cat >/dev/null; printf 'e\0\0\0\0\0\0\0\1%032d' 0`, "wrote 0 bytes of 2000000 and reported 1"},
		"frees more than there is":  {`printf fffffffff; exec sleep 600`, "more free slots than there are"},
		"babbles":                   {`echo hello; exec sleep 600`, "nothing that it has to"},
		"is cut short":              {`printf 'b\0'; cat >/dev/null`, "its report ended early"},
		"goes on after the end":     {`cat >/dev/null; printf 'e\0\0\0\0\0\0\0\1%032df' 0`, "after the end"},
		"gets no environment":       {`cat >/dev/null; echo "${CANARY-nothing}" >&2; exit 1`, `reported "nothing\n"`},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := newOutput(t).encrypt(t.Context(), encryptShell(test.script), recipient)
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
	_, err := newOutput(t).encrypt(t.Context(), Encrypter{program: "/no/such/program"}, recipient)
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
		defer cancel()
		file := newOutput(t)
		w, err := file.encrypt(ctx, NewEncrypter(self(t)), recipient)
		require.NoError(t, err)
		for err == nil {
			if _, err = w.Write(make([]byte, slotSize)); file.blocks.Written() > 0 {
				cancel()
			}
		}
		requireGivenUp(t, err)
		requireGivenUp(t, w.Close())
		r, err := seal.Decrypt(bytes.NewReader(file.content(t)), ids[0])
		if err == nil {
			_, err = io.ReadAll(r)
		}
		require.ErrorIs(t, err, fault.BackupDamaged, "it does not look complete")
		_, _, err = file.blocks.Wait(t.Context(), 1<<40)
		require.ErrorIs(t, err, context.Canceled, "whoever waits for more is told")
	})
	t.Run("while it waits for the child", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		file := newOutput(t)
		w, err := file.encrypt(ctx, encryptShell(`printf 'b\0\0\0\0b\0\0\0\0'; exec sleep 600`), recipient)
		require.NoError(t, err)
		go func() {
			_, _, _ = file.blocks.Wait(t.Context(), 0) // the child has begun
			cancel()
		}()
		_, err = w.Write(make([]byte, 2*sharedSize))
		requireGivenUp(t, err)
		requireGivenUp(t, w.Close())
	})
	t.Run("before its end", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := newOutput(t).encrypt(ctx, encryptShell(`exec sleep 600`), recipient)
		require.NoError(t, err)
		_, err = w.Write([]byte("small enough to wait in the slot"))
		require.NoError(t, err)
		cancel()
		requireGivenUp(t, w.Close())
	})
	t.Run("before it begins", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newOutput(t).encrypt(ctx, NewEncrypter(self(t)), recipient)
		requireGivenUp(t, err)
	})
}

// TestEncryptionOntoAFullDisk: the system's own error comes back, so that the caller can
// tell a full disk from a broken one.
func TestEncryptionOntoAFullDisk(t *testing.T) {
	recipient, _ := operatorKey(t, false)
	for name, size := range map[string]int{"while it is written": 100 << 20, "at its end": 10} {
		t.Run(name, func(t *testing.T) {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			require.NoError(t, err)
			defer func() { require.NoError(t, full.Close()) }()
			w, err := NewEncrypter(self(t)).Encrypt(t.Context(), full, recipient, blocksum.NewTable())
			require.NoError(t, err)
			for written := 0; err == nil && written < size; {
				var n int
				n, err = w.Write(make([]byte, min(size, slotSize)))
				written += n
				require.Less(t, written, 10*sharedSize, "what fails is noticed soon")
			}
			if err != nil {
				require.ErrorIs(t, err, unix.ENOSPC)
			}
			err = w.Close()
			require.ErrorIs(t, err, unix.ENOSPC)
			var path *fs.PathError
			require.ErrorAs(t, err, &path)
			require.Equal(t, "/dev/full", path.Path)
			requireNoChild(t)
		})
	}
}

// A service manager that stops the worker signals its children, too.
func TestEncryptionOutlivesTheCallToStop(t *testing.T) {
	recipient, ids := operatorKey(t, false)
	file := newOutput(t)
	w, err := file.encrypt(t.Context(), NewEncrypter(self(t)), recipient)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 3*blocksum.Size))
	require.NoError(t, err)
	_, _, err = file.blocks.Wait(t.Context(), 0) // it has begun
	require.NoError(t, err)
	for _, signal := range []os.Signal{unix.SIGTERM, os.Interrupt} {
		require.NoError(t, w.(*encryption).cmd.Process.Signal(signal))
	}
	_, err = w.Write([]byte("plain text"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.True(t, bytes.HasSuffix(decrypted(t, file.content(t), ids), []byte("plain text")))
}

// shared gives a child within this process what the worker has written.
func (p *testProcess) shared(t testing.TB, plain []byte) (output outputFile, tokens []byte) {
	t.Helper()
	output = newOutput(t)
	memoryFile, memory, err := newSharedMemory(sharedSize)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(unmapMemory(memory), memoryFile.Close())) })
	p.Inherited = func() (*os.File, *os.File) { return output.File, memoryFile }
	var written bytes.Buffer
	free := make(chan struct{}, slots)
	for range slots {
		free <- struct{}{}
	}
	w := &ringWriter{memory: memory, tokens: &written, free: free}
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return output, written.Bytes()
}

// The worker may die at any byte: the child then ends, and what it wrote is not complete.
func TestEncryptRefusesAnEarlyEnd(t *testing.T) {
	recipient, ids := operatorKey(t, false)
	plain := make([]byte, slotSize+10)
	p := newProcess()
	_, tokens := p.shared(t, plain)
	for end := range tokens {
		p := newProcess()
		output, tokens := p.shared(t, plain)
		p.Stdin = bytes.NewReader(tokens[:end])
		require.Equal(t, fault.ExitFailed, p.run(t, encryptMode, recipient), "cut at %d", end)
		require.Contains(t, p.err.String(), "INTERNAL: the plain text cannot be encrypted to its end (unexpected EOF)")
		require.NotContains(t, p.out.String(), "e")
		r, err := seal.Decrypt(bytes.NewReader(output.content(t)), ids[0])
		require.NoError(t, err)
		_, err = io.ReadAll(r)
		require.ErrorIs(t, err, fault.BackupDamaged)
	}
	p = newProcess()
	output, tokens := p.shared(t, plain)
	p.Stdin = bytes.NewReader(tokens)
	require.Equal(t, fault.ExitOK, p.run(t, encryptMode, recipient))
	require.Empty(t, p.err.String())
	require.True(t, bytes.Equal(plain, decrypted(t, output.content(t), ids)))
}

func TestEncryptThatCannotGoOn(t *testing.T) {
	recipient, _ := operatorKey(t, false)
	t.Run("no file", func(t *testing.T) {
		p := newProcess()
		output, tokens := p.shared(t, []byte("x"))
		p.Stdin = bytes.NewReader(tokens)
		require.NoError(t, output.Close())
		require.Equal(t, fault.ExitFailed, p.run(t, encryptMode, recipient))
		require.Contains(t, p.err.String(), "file already closed")
	})
	t.Run("a slot that is none", func(t *testing.T) {
		p := newProcess()
		p.shared(t, nil)
		p.Stdin = strings.NewReader("\xff\xff\xff\xff")
		require.Equal(t, fault.ExitFailed, p.run(t, encryptMode, recipient))
		require.Contains(t, p.err.String(), "a slot of 4294967295 bytes")
	})
	t.Run("nobody listens", func(t *testing.T) {
		p := newProcess()
		_, tokens := p.shared(t, []byte("x"))
		p.Stdin, p.Stdout = bytes.NewReader(tokens), failing{errors.New("broken")}
		require.Equal(t, fault.ExitFailed, p.run(t, encryptMode, recipient))
		require.Contains(t, p.err.String(), "broken")
	})
	t.Run("no memory", func(t *testing.T) {
		p := newProcess()
		p.Inherited = func() (*os.File, *os.File) { return nil, nil }
		require.Equal(t, fault.ExitFailed, p.run(t, encryptMode, recipient))
		require.Contains(t, p.err.String(), "the shared memory cannot be read")
	})
	t.Run("not confined", func(t *testing.T) {
		p := newProcess()
		p.Confine = func() error { return fault.Newf(fault.Internal, "not confined") }
		require.Equal(t, fault.ExitFailed, p.run(t, encryptMode, recipient))
		require.Contains(t, p.err.String(), "not confined")
		require.Empty(t, p.out.String())
	})
}

// failing takes nothing.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// BenchmarkEncrypt compares the child with the same in this process.
func BenchmarkEncrypt(b *testing.B) {
	recipient, _ := operatorKey(b, false)
	piece := make([]byte, 1<<20)
	const pieces = 256
	for name, start := range map[string]func(outputFile) (io.WriteCloser, error){
		"in this process": func(file outputFile) (io.WriteCloser, error) {
			return seal.Encrypt(io.MultiWriter(file, sha256.New()), recipient)
		},
		"in a child": func(file outputFile) (io.WriteCloser, error) {
			return file.encrypt(b.Context(), NewEncrypter(self(b)), recipient)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(pieces * int64(len(piece)))
			for b.Loop() {
				file := newOutput(b)
				w, err := start(file)
				require.NoError(b, err)
				for range pieces {
					_, err := w.Write(piece)
					require.NoError(b, err)
				}
				require.NoError(b, w.Close())
				require.NoError(b, file.Close())
				require.NoError(b, os.Remove(file.Name()))
			}
		})
	}
}
