package capture

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"infrabackup/internal/backup"
	"infrabackup/internal/blocksum"
	"infrabackup/internal/fault"
	"infrabackup/internal/spool"
)

// Encrypter encrypts files. Package privsep implements it, and package seal for files whose
// key this process has anyway.
type Encrypter interface {
	// Encrypt starts an age file for one recipient, like [seal.Encrypt], in file, which is
	// empty and stays the caller's. It is to do so where the memory of this process does
	// not get the keys of the file.
	//
	// Blocks grows with the file: it takes the sums of the blocks that can be read from the
	// file, and has ended with its size and SHA-256 when Close has returned nil; otherwise
	// it has failed. File is written to, by whomever, until Close returns. Close says
	// whether all of the file was written, and is to be called in any case: nothing is left
	// of the encryption then. When ctx ends, the file is given up, and Write and Close say
	// so. What cannot be written is an [fs.PathError], others are faults: KEY_INVALID when
	// recipient is none, and INTERNAL for what may succeed the next time.
	Encrypt(ctx context.Context, file *os.File, recipient string, blocks *blocksum.Table) (io.WriteCloser, error)
}

// File is a file in the spool that is encrypted as it is written.
type File struct {
	id     backup.ID
	name   string
	spool  *spool.Spool
	file   *os.File
	blocks *blocksum.Table
	enc    io.WriteCloser
	end    context.CancelFunc // of the encryption
}

// Create makes a file of a backup in the spool, encrypted to one recipient. An earlier one of
// that name loses it. It is to be ended with [File.Abandon], also after
// [File.Flush].
func Create(ctx context.Context, spool *spool.Spool, encrypter Encrypter, id backup.ID, name, recipient string) (*File, error) {
	file, err := spool.Create(id, name)
	if err != nil {
		return nil, err
	}
	f := &File{id: id, name: name, spool: spool, file: file, blocks: blocksum.NewTable()}
	ctx, f.end = context.WithCancel(ctx)
	f.enc, err = encrypter.Encrypt(ctx, file, recipient, f.blocks)
	if err != nil {
		return nil, errors.Join(f.classified(err), f.Abandon())
	}
	return f, nil
}

// Write implements io.Writer for plain text.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.enc.Write(p)
	return n, f.classified(err)
}

// classified makes a fault of the spool's of what says that the file cannot be written.
func (f *File) classified(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return f.spool.Classify("write "+f.name, err)
	}
	return err
}

// Blocks are the sums of what was written so far.
func (f *File) Blocks() *blocksum.Table { return f.blocks }

// written is the size so far, to the last MiB.
func (f *File) written() int64 { return f.blocks.Written() }

// Flush completes the encryption and makes the file durable. It can be read in the spool until
// it is abandoned.
func (f *File) Flush() (backup.File, error) {
	if err := f.enc.Close(); err != nil {
		return backup.File{}, f.classified(err)
	}
	if err := f.file.Sync(); err != nil {
		return backup.File{}, f.spool.Classify("flush "+f.name, err)
	}
	size, sum, ok := f.blocks.Whole()
	if !ok {
		return backup.File{}, fault.Newf(fault.Internal, "%s was encrypted, and its sums are missing", f.name)
	}
	return backup.File{Name: f.name, Size: size, SHA256: sum}, nil
}

// close keeps the file.
func (f *File) close() error {
	f.end()
	file := f.file
	f.file = nil
	return f.spool.Classify("close "+f.name, file.Close())
}

// Abandon gives the encryption up, if it goes on still, and removes the file, unless an attempt
// that came later has put another in its place. After close it does nothing.
func (f *File) Abandon() error {
	if f.file == nil {
		return nil
	}
	f.end()
	if f.enc != nil {
		_ = f.enc.Close() // says that it was given up; afterwards nothing writes any more
	}
	return errors.Join(f.spool.Discard(f.id, f.name, f.file), f.close())
}
