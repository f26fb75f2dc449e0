package seal

import (
	"context"
	"errors"
	"io"
	"os"

	"infrabackup/internal/blocksum"
)

// FileEncrypter encrypts files in this process, whose memory then has what opens them. It
// implements the port Encrypter of package activities, for files whose key this process has
// anyway.
type FileEncrypter struct{}

// Encrypt starts an age file for one recipient in file, and takes the sums of its blocks.
func (FileEncrypter) Encrypt(_ context.Context, file *os.File, recipient string, blocks *blocksum.Table) (io.WriteCloser, error) {
	f := &sealedFile{file: file, blocks: blocks}
	f.sums = blocksum.NewHasher(func(sum uint32) error { blocks.Add(sum); return nil })
	plain, err := Encrypt(writerFunc(f.write), recipient)
	if err != nil {
		blocks.Fail(err)
		return nil, err
	}
	f.plain = plain
	return f, nil
}

type sealedFile struct {
	file   *os.File
	blocks *blocksum.Table
	sums   *blocksum.Hasher
	plain  io.WriteCloser
	closed bool
	err    error // of Close
}

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

// write takes ciphertext.
func (f *sealedFile) write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	if err != nil {
		return n, err
	}
	return f.sums.Write(p)
}

// Write implements [io.Writer].
func (f *sealedFile) Write(p []byte) (int, error) { return f.plain.Write(p) }

// Close implements [io.Closer]. Only the first call does anything, others return the same.
func (f *sealedFile) Close() error {
	if f.closed {
		return f.err
	}
	f.closed = true
	f.err = errors.Join(f.plain.Close(), f.sums.Close())
	if f.err == nil {
		f.err = f.blocks.Finish(f.sums.Length(), f.sums.SHA256())
	}
	if f.err != nil {
		f.blocks.Fail(f.err)
	}
	return f.err
}
