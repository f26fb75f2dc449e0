package main

import (
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// encryptMode is the argument, before a recipient, with which the worker starts itself
// to encrypt a file.
const encryptMode = "encrypt"

// encrypt is the child: it reads plain text in frames from standard input and writes
// an age file for the recipient to standard output. It succeeds only when the end was
// marked and all of the file was written; otherwise the file lacks its last piece,
// without which age opens nothing as complete. When it ends, the kernel clears the
// memory that held the file's keys.
//
// It takes no notice of SIGTERM, which a service manager sends to all processes of a
// service: the worker decides what it still finishes. Without a worker it ends, because
// its input does.
func encrypt(p process, recipient string) int { return p.fail(encryptInput(p, recipient)) }

func encryptInput(p process, recipient string) error {
	if err := p.confine(); err != nil {
		return err
	}
	lockMemory()
	widenPipe(p.stdin)
	widenPipe(p.stdout)
	file, err := seal.Encrypt(p.stdout, recipient)
	if err != nil {
		return err
	}
	if err := copyFrames(file, p.stdin); err != nil {
		return fault.New(fault.Internal, "standard input cannot be encrypted to its end", err)
	}
	if err := file.Close(); err != nil {
		return fault.New(fault.Internal, "the end of the encrypted file cannot be written", err)
	}
	return nil
}
