package privsep

import (
	"fmt"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// encrypt is the child: it reads plain text in frames from standard input and writes
// an age file for the recipient to standard output. It succeeds only when the end was
// marked and all of the file was written; otherwise the file lacks its last piece,
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
	widenPipe(p.Stdin)
	widenPipe(p.Stdout)
	file, err := seal.Encrypt(p.Stdout, recipient)
	if err != nil {
		return err
	}
	if err := copyFrames(file, p.Stdin); err != nil {
		return fault.New(fault.Internal, "standard input cannot be encrypted to its end", err)
	}
	if err := file.Close(); err != nil {
		return fault.New(fault.Internal, "the end of the encrypted file cannot be written", err)
	}
	return nil
}
