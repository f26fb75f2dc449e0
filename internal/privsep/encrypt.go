package privsep

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"infrabackup/internal/blocksum"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// The files that a child which encrypts is given beside the three that every process has.
const (
	outputFD = 3 // the file that it writes
	sharedFD = 4 // the memory that holds the plain text
)

// InheritedFiles are the two files that a child which encrypts was given. It may be called
// in such a child only: others have something else under these numbers.
func InheritedFiles() (output, shared *os.File) {
	return os.NewFile(outputFD, "the file to encrypt to"), os.NewFile(sharedFD, "shared memory")
}

// encrypt is the child: it reads plain text from shared memory, writes an age file for the
// recipient, and reports what it has written, with its sums. It succeeds only when the end
// was marked and all of the file was written; otherwise the file lacks its last piece,
// without which age opens nothing as complete. When it ends, the kernel clears the
// memory that held the file's keys.
func encrypt(p Process, recipient string) int {
	err := encryptInput(p, recipient)
	if err == nil {
		return fault.ExitOK
	}
	f := fault.As(err)
	_, _ = fmt.Fprintln(p.Stderr, f.Line()) // nobody is left to tell
	return f.Code.Exit()
}

func encryptInput(p Process, recipient string) error {
	if err := p.Confine(); err != nil {
		return err
	}
	lockMemory()
	if _, err := seal.ParseRecipient(recipient); err != nil {
		return err // before anything is looked at
	}
	output, shared := p.Inherited()
	memory, err := mapMemory(shared, sharedSize)
	if err != nil {
		return fault.New(fault.Internal, "the shared memory cannot be read", err)
	}
	// The mapping ends with the process, or with the test that plays one.
	defer func() { _ = unmapMemory(memory) }()
	written := &reporting{file: output, reports: p.Stdout}
	written.sums = blocksum.NewHasher(func(sum uint32) error { return writeReport(p.Stdout, blockDone, uint64(sum), "") })
	file, err := seal.Encrypt(written, recipient)
	if err != nil {
		return err
	}
	if err := copySlots(file, memory, p.Stdin, func() error { return writeReport(p.Stdout, slotFree, 0, "") }); err != nil {
		return fault.New(fault.Internal, "the plain text cannot be encrypted to its end", err)
	}
	if err := errors.Join(file.Close(), written.sums.Close()); err != nil {
		return fault.New(fault.Internal, "the end of the encrypted file cannot be written", err)
	}
	if err := writeReport(p.Stdout, fileDone, uint64(written.sums.Length()), written.sums.SHA256()); err != nil {
		return fault.New(fault.Internal, "the end of the encrypted file cannot be reported", err)
	}
	return nil
}

// reporting writes to a file, takes its sums, and reports why it cannot be written.
type reporting struct {
	file    io.Writer
	reports io.Writer
	sums    *blocksum.Hasher
}

// Write implements [io.Writer].
func (r *reporting) Write(p []byte) (int, error) {
	n, err := r.file.Write(p)
	if err != nil {
		var number syscall.Errno
		if errors.As(err, &number) {
			err = errors.Join(err, writeReport(r.reports, fileFailed, uint64(number), ""))
		}
		return n, err
	}
	return r.sums.Write(p) // after the file, so that what is reported can be read from it
}
