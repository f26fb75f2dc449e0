package secret

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// File says what a file may be whose content is believed or kept secret: a key, a
// password, a list of trusted keys, a configuration. It is examined before anything
// of it is read:
//
//   - it is a regular file; a named pipe, a device, a socket and a folder are refused
//     without being opened, so that nothing waits for what may never come;
//   - it belongs to the caller (the effective user) or to root;
//   - nobody else may write to it, nor read it when it is Private;
//   - the folder that it lies in belongs to the caller or to root, and nobody else may
//     write to it; no folder further up may be written to by everybody. A sticky bit, as
//     /tmp has it, keeps others from replacing what is in a folder, and makes it good;
//   - it has at most MaxBytes.
//
// Symbolic links are followed, as mounted secrets and the system's certificates need,
// but only links that belong to the caller or to root, and the folder of a link is
// examined like that of the file. On systems without Unix permissions only kind and size
// are looked at.
//
// Errors name the path, what is wrong, and how to mend it; they never show content. What
// the rules above refuse is a [Refusal].
type File struct {
	// MaxBytes is the longest that is read.
	MaxBytes int64
	// Private: it holds a secret, so that others may not read it (mode 0600 or less).
	Private bool
	// Descriptor also takes /dev/stdin and /dev/fd/N, which the caller has opened
	// itself, as shells do for <(command). What is behind them may be a pipe.
	Descriptor bool
	// AnyOwner lets root, and nobody else, take a file that belongs to another user.
	AnyOwner bool
}

// Read examines the file and reads it as a whole. It gives up when ctx ends.
func (f File) Read(ctx context.Context, path string) ([]byte, error) {
	data, _, err := f.ReadInfo(ctx, path)
	return data, err
}

// ReadInfo is [File.Read] that also tells about the file that was read.
func (f File) ReadInfo(ctx context.Context, path string) ([]byte, fs.FileInfo, error) {
	file, info, err := f.open(path)
	if err != nil {
		return nil, nil, err
	}
	data, err := ReadAll(ctx, file, f.MaxBytes)
	if ctx.Err() == nil { // else a read that does not end may still hold the descriptor
		_ = file.Close() // only read
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, info, nil
}

// Examine looks at the file as [File.Read] does, without reading it.
func (f File) Examine(path string) error {
	file, _, err := f.open(path)
	if err != nil {
		return err
	}
	return file.Close()
}

func (f File) open(path string) (*os.File, fs.FileInfo, error) {
	if fd, ok := descriptor(path); ok {
		if !f.Descriptor {
			return nil, nil, refuse("%s is an open descriptor, not a file", path)
		}
		return f.openDescriptor(path, fd)
	}
	return f.openPath(path)
}

// descriptor returns the number of the descriptor that a path stands for.
func descriptor(path string) (int, bool) {
	if path == "/dev/stdin" {
		return 0, true
	}
	for _, prefix := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			fd, err := strconv.ParseUint(rest, 10, 16)
			return int(fd), err == nil
		}
	}
	return 0, false
}

// size refuses what is longer than the limit before it is read.
func (f File) size(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() && info.Size() > f.MaxBytes {
		return refuse("%s is larger than %d bytes", path, f.MaxBytes)
	}
	return nil
}

// regular refuses what is no regular file.
func regular(path string, mode fs.FileMode) error {
	if !mode.IsRegular() {
		return refuse("%s is not a file", path)
	}
	return nil
}

// Refusal says why a file was not read although it is there.
type Refusal struct{ why string }

// Error implements error.
func (r *Refusal) Error() string { return r.why }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// ReadAll reads r to its end. It refuses more than limit bytes, and returns ctx's error
// when that ends first, even while r does not answer; the read itself then ends with r
// or with the process.
func ReadAll(ctx context.Context, r io.Reader, limit int64) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(r, limit+1))
		done <- result{data, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case read := <-done:
		if read.err == nil && int64(len(read.data)) > limit {
			return nil, fmt.Errorf("it is larger than %d bytes", limit)
		}
		return read.data, read.err
	}
}
