package privsep

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// encryptWait is what may still come out of a child after it has ended: what its pipe
// holds, onto a disk that is slow.
const encryptWait = time.Minute

// Encrypter encrypts files in processes of their own, one for each. Age draws keys for
// every file, and what opens a file must not stay in the memory of this process, where
// nothing could erase it.
type Encrypter struct {
	program string
	args    []string // before the recipient
}

// NewEncrypter starts program, which is the worker: see [OwnProgram].
func NewEncrypter(program string) Encrypter {
	return Encrypter{program, []string{encryptMode}}
}

// Encrypt starts an age file on w for one recipient, like [seal.Encrypt], in a process
// of its own. W is written to from another goroutine, until Close returns. Close says
// whether all of the file was written to w, and is to be called in any case: the process
// has ended then. When ctx ends, the file is given up, and Write and Close say so. Errors
// of w are passed on as they are, others are faults: KEY_INVALID when recipient is none,
// and INTERNAL for what may succeed the next time.
func (e Encrypter) Encrypt(ctx context.Context, w io.Writer, recipient string) (io.WriteCloser, error) {
	to, err := seal.ParseRecipient(recipient)
	if err != nil {
		return nil, err
	}
	cmd, words := newCommand(ctx, e.program, append(slices.Clone(e.args), to.Text)...)
	cmd.WaitDelay = encryptWait
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fault.New(fault.Internal, "the process that encrypts a file cannot be given its input", err)
	}
	file := &encryption{ctx: ctx, cmd: cmd, words: words, stdin: stdin, plain: newFrameWriter(stdin), cipher: cipherText{w: w}}
	cmd.Stdout = &file.cipher
	if err := cmd.Start(); err != nil { // closes the pipes
		if ctx.Err() != nil {
			return nil, file.cancelled()
		}
		return nil, fault.New(fault.Internal, "the process that encrypts a file does not start", err)
	}
	return file, nil
}

// encryption is a file that a child encrypts.
type encryption struct {
	ctx    context.Context
	cmd    *exec.Cmd
	words  *boundedBuffer
	stdin  io.Closer
	plain  *frameWriter
	cipher cipherText
	once   sync.Once
	err    error // how the child ended
}

// Write implements [io.Writer].
func (e *encryption) Write(p []byte) (int, error) {
	n, err := e.plain.Write(p)
	if err != nil {
		if ended := e.finish(err); ended != nil {
			err = ended
		}
	}
	return n, err
}

// Close implements [io.Closer].
func (e *encryption) Close() error { return e.finish(e.plain.Close()) }

// finish waits for the child, which it kills when the plain text did not reach it:
// then broken says why. Only the first call does anything, others return the same.
func (e *encryption) finish(broken error) error {
	e.once.Do(func() {
		if broken != nil {
			_ = e.cmd.Process.Kill() // it may have ended
		}
		_ = e.stdin.Close() // the mark of the end counts, and it was written
		e.err = e.result(e.cmd.Wait(), broken)
	})
	return e.err
}

// result takes how the child ended. A cause outside of it comes first, for the child
// then ended because of that.
func (e *encryption) result(ended, broken error) error {
	switch {
	case e.cipher.err != nil:
		return e.cipher.err
	case e.ctx.Err() != nil:
		return e.cancelled()
	case ended != nil:
		return fault.New(fault.Internal, fmt.Sprintf("the process that encrypts a file failed and said %q", e.words.data.Bytes()), ended)
	case broken != nil:
		return fault.New(fault.Internal, "the process that encrypts a file ended before the file did", broken)
	case e.cipher.size <= e.plain.size:
		return fault.Newf(fault.Internal, "the process that encrypts a file made %d bytes of %d", e.cipher.size, e.plain.size)
	}
	return nil
}

func (e *encryption) cancelled() error { return fmt.Errorf("encrypt a file: %w", e.ctx.Err()) }

// cipherText passes on what the child writes, and keeps the first error of w.
type cipherText struct {
	w    io.Writer
	size int64
	err  error
}

// Write implements [io.Writer].
func (c *cipherText) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.size += int64(n)
	c.err = err
	return n, err
}

// ReadFrom implements [io.ReaderFrom], which [exec.Cmd] copies with: in pieces of more
// than one chunk of age, so that the two processes wait for each other less often.
func (c *cipherText) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{c}, r, make([]byte, frameSize))
}
