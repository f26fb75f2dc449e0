package privsep

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"infrabackup/internal/blocksum"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// encryptWait is what a child that was ended may still hold its pipes.
const encryptWait = 5 * time.Second

// Encrypter encrypts files in processes of their own, one for each. Age draws keys for
// every file, and what opens a file must not stay in the memory of this process, where
// nothing could erase it.
//
// It implements the port of the same name of package activities.
type Encrypter struct {
	program string
	args    []string // before the recipient
}

// NewEncrypter starts program, which is the worker: see [OwnProgram].
func NewEncrypter(program string) Encrypter {
	return Encrypter{program, []string{encryptMode}}
}

// Encrypt starts an age file for one recipient. The child writes it to file, which it
// inherits, and takes the sums of its blocks.
func (e Encrypter) Encrypt(ctx context.Context, file *os.File, recipient string, blocks *blocksum.Table) (io.WriteCloser, error) {
	to, err := seal.ParseRecipient(recipient)
	if err != nil {
		return nil, err
	}
	shared, memory, err := newSharedMemory(sharedSize)
	if err != nil {
		return nil, fault.New(fault.Internal, "there is no shared memory for the process that encrypts a file", err)
	}
	defer func() { _ = shared.Close() }() // what is mapped stays
	enc := &encryption{
		ctx: ctx, file: file, blocks: blocks, memory: memory,
		free: make(chan struct{}, slots), reported: make(chan struct{}),
	}
	if err := enc.start(e.program, append(slices.Clone(e.args), to.Text), shared); err != nil {
		enc.blocks.Fail(err)
		return nil, errors.Join(err, unmapMemory(memory))
	}
	return enc, nil
}

// encryption is a file that a child encrypts.
type encryption struct {
	ctx    context.Context
	cmd    *exec.Cmd
	stderr *boundedBuffer
	stdin  io.Closer
	plain  *ringWriter
	memory []byte
	file   *os.File
	blocks *blocksum.Table

	free     chan struct{} // slots that may be filled; closed when the child reports nothing more
	reported chan struct{} // closed when the child reports nothing more
	done     *report       // that the file is complete
	unable   error         // why the file cannot be written
	strange  error         // what the child reported and should not have

	once sync.Once
	err  error // how the child ended
}

func (e *encryption) start(program string, args []string, shared *os.File) error {
	e.cmd, e.stderr = newCommand(e.ctx, program, args...)
	e.cmd.WaitDelay = encryptWait
	e.cmd.ExtraFiles = []*os.File{e.file, shared} // outputFD, sharedFD
	stdin, err := e.cmd.StdinPipe()
	if err != nil {
		return fault.New(fault.Internal, "the process that encrypts a file cannot be given its input", err)
	}
	stdout, err := e.cmd.StdoutPipe()
	if err != nil {
		return fault.New(fault.Internal, "the process that encrypts a file cannot be listened to", errors.Join(err, stdin.Close()))
	}
	if err := e.cmd.Start(); err != nil { // closes the pipes
		if e.ctx.Err() != nil {
			return e.cancelled()
		}
		return fault.New(fault.Internal, "the process that encrypts a file does not start", err)
	}
	for range slots {
		e.free <- struct{}{}
	}
	e.stdin, e.plain = stdin, &ringWriter{memory: e.memory, tokens: stdin, free: e.free}
	go e.listen(stdout)
	return nil
}

// listen takes what the child reports, until it ends or reports something strange.
func (e *encryption) listen(stdout io.Reader) {
	defer close(e.reported)
	defer close(e.free)
	buffered := bufio.NewReader(stdout)
	for {
		r, err := readReport(buffered)
		if err == nil {
			err = e.take(r)
		}
		if err != nil {
			// A pipe that was closed under the reader is the end of the child, too.
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) {
				e.strange = err
				_ = e.cmd.Process.Kill() // it may have ended
			}
			return
		}
	}
}

func (e *encryption) take(r report) error {
	if e.done != nil || e.unable != nil {
		return fmt.Errorf("it reports %q after the end", r.kind)
	}
	switch r.kind {
	case slotFree:
		select {
		case e.free <- struct{}{}:
		default:
			return errors.New("it reports more free slots than there are")
		}
	case blockDone:
		e.blocks.Add(uint32(r.number))
	case fileFailed:
		e.unable = &fs.PathError{Op: "write", Path: e.file.Name(), Err: syscall.Errno(r.number)}
	case fileDone:
		e.done = &r
	}
	return nil
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
		<-e.reported        // its end at the latest: all is read before the pipe is closed
		e.err = errors.Join(e.result(e.cmd.Wait(), broken), unmapMemory(e.memory))
		if e.err != nil {
			e.blocks.Fail(e.err)
		}
	})
	return e.err
}

// result takes how the child ended. A cause outside of it comes first, for the child
// then ended because of that.
func (e *encryption) result(ended, broken error) error {
	switch {
	case e.unable != nil:
		return e.unable
	case e.ctx.Err() != nil:
		return e.cancelled()
	case e.strange != nil:
		return fault.New(fault.Internal, "the process that encrypts a file cannot be understood", e.strange)
	case ended != nil:
		return fault.New(fault.Internal, fmt.Sprintf("the process that encrypts a file failed and reported %q", e.stderr.data.Bytes()), ended)
	case broken != nil:
		return fault.New(fault.Internal, "the process that encrypts a file ended before the file did", broken)
	case e.done == nil:
		return fault.Newf(fault.Internal, "the process that encrypts a file ended before it reported the file's sums")
	}
	return e.complete(int64(e.done.number))
}

// complete makes sure that the file is as long as the child reported.
func (e *encryption) complete(size int64) error {
	info, err := e.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != size || size <= e.plain.size {
		return fault.Newf(fault.Internal, "the process that encrypts a file wrote %d bytes of %d and reported %d", info.Size(), e.plain.size, size)
	}
	if err := e.blocks.Finish(size, e.done.sha256); err != nil {
		return fault.New(fault.Internal, "the process that encrypts a file reported too few sums, or too many", err)
	}
	return nil
}

func (e *encryption) cancelled() error { return fmt.Errorf("encrypt a file: %w", e.ctx.Err()) }
