package folder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/share"
)

// Limits of what is read into memory of files that others may have written.
const (
	MaxSums  = 64 << 10
	MaxSmall = 256 << 10 // signature, key.age, allowed_signers, RECOVERY.txt
)

// ParallelReads is how many small files are read at once: lists are bound by the share's
// latency.
const ParallelReads = 8

// Folder is the folder of one instance on a store. The calls of [share.Store] are its own,
// too, and like all others take paths relative to the store: see [Folder.At].
type Folder struct {
	share.Store
	instance string
}

// New returns the folder of an instance. Nothing is read or written. An empty name is the
// store's own folder.
func New(store share.Store, instance string) *Folder {
	return &Folder{Store: store, instance: instance}
}

// Instance is the name of the instance and of its folder.
func (f *Folder) Instance() string { return f.instance }

// String names the folder for people.
func (f *Folder) String() string {
	return strings.TrimRight(f.Store.String(), `\/`) + `\` + f.instance
}

// At joins path elements below the instance's folder.
func (f *Folder) At(elements ...string) string {
	return path.Join(append([]string{f.instance}, elements...)...)
}

// NamedAt is the path of an entry that may have any name, for people. In is relative to
// the instance.
func (f *Folder) NamedAt(in, name string) string {
	return f.At(in) + "/" + printable.Text(name)
}

// ForeignEntries returns the names in a folder, which is relative to the instance, that the
// store does not list: names that no store can open, links and devices. A missing folder
// has none.
func (f *Folder) ForeignEntries(ctx context.Context, in string) ([]string, error) {
	names, err := f.Strangers(ctx, f.At(in))
	if IsMissing(err) {
		return nil, nil
	}
	return names, err
}

// Read returns a whole small file, never nil unless it fails. A longer one is damaged:
// this code never writes such.
func (f *Folder) Read(ctx context.Context, name string, limit int64) ([]byte, error) {
	buf := limited{room: limit}
	_, err := f.Download(ctx, name, 0, &buf)
	switch fault.CodeOf(err) {
	case "":
		return append([]byte{}, buf.Bytes()...), nil
	case fault.ShareIO, fault.LimitExceeded: // what it is instead is looked at then only
		info, statErr := f.Stat(ctx, name)
		switch {
		case statErr != nil:
		case info.IsDir:
			return nil, fault.Newf(fault.BackupDamaged, "%s is a folder", name)
		case info.Size > limit:
			return nil, fault.Newf(fault.BackupDamaged, "%s has %d bytes, at most %d are expected", name, info.Size, limit)
		}
	}
	return nil, err
}

// Write puts data into a file, durably, replacing what an earlier attempt left.
func (f *Folder) Write(ctx context.Context, name string, data []byte) error {
	return f.Upload(ctx, name, bytes.NewReader(data), 0, int64(len(data)), nil)
}

// Remove removes a file or folder; a missing one is fine.
func (f *Folder) Remove(ctx context.Context, name string) error {
	if err := f.Store.Remove(ctx, name); err != nil && !IsMissing(err) {
		return err
	}
	return nil
}

// Move renames a folder; both are relative to the instance. It looks when the reply
// is an error, since that may have been lost behind a rename that was done.
func (f *Folder) Move(ctx context.Context, from, to string) error {
	renameErr := f.Rename(ctx, f.At(from), f.At(to))
	if renameErr == nil {
		return nil
	}
	_, fromErr := f.Stat(ctx, f.At(from))
	info, toErr := f.Stat(ctx, f.At(to))
	if IsMissing(fromErr) && toErr == nil && info.IsDir {
		return nil
	}
	return renameErr
}

// Digest streams a file from the server and returns what it holds.
func (f *Folder) Digest(ctx context.Context, name string, progress func(done int64)) (backup.File, error) {
	sum := sha256.New()
	counted := &counter{w: sum, progress: progress}
	n, err := f.Download(ctx, name, 0, counted)
	if err != nil {
		return backup.File{}, err
	}
	return backup.File{Name: path.Base(name), Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// Scan returns what List and Strangers of a folder return.
func (f *Folder) Scan(ctx context.Context, name string) (entries []share.Info, strangers []string, err error) {
	if s, ok := f.Store.(share.Scanner); ok {
		return s.Scan(ctx, name)
	}
	if entries, err = f.List(ctx, name); err == nil {
		strangers, err = f.Strangers(ctx, name)
	}
	return entries, strangers, err
}

// Holds reports whether the file exists with the wanted bytes.
func (f *Folder) Holds(ctx context.Context, name string, want backup.File, progress func(int64)) (bool, error) {
	same, _, err := f.look(ctx, name, want, progress)
	return same, err
}

// look is Holds, and tells whether anything is there.
func (f *Folder) look(ctx context.Context, name string, want backup.File, progress func(int64)) (same, there bool, err error) {
	if want.Size <= share.SmallFile { // it tells its size as it is read
		data, err := f.Read(ctx, name, want.Size)
		switch {
		case IsMissing(err):
			return false, false, nil
		case fault.CodeOf(err) == fault.BackupDamaged:
			return false, true, nil
		case err != nil:
			return false, false, err
		}
		if progress != nil {
			progress(int64(len(data)))
		}
		return Describe(want.Name, data) == want, true, nil
	}
	info, err := f.Stat(ctx, name)
	if IsMissing(err) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	if info.IsDir || info.Size != want.Size {
		return false, true, nil
	}
	got, err := f.Digest(ctx, name, progress)
	if err != nil {
		return false, true, err
	}
	return got.SHA256 == want.SHA256 && got.Size == want.Size, true, nil
}

// Describe gives the digest of bytes that are at hand.
func Describe(name string, data []byte) backup.File {
	sum := sha256.Sum256(data)
	return backup.File{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
}

// counter reports how many bytes went through.
type counter struct {
	w        io.Writer
	n        int64
	progress func(done int64)
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.progress != nil {
		c.progress(c.n)
	}
	return n, err
}

// limited is a buffer that refuses to grow beyond its room, for servers that send
// more than they announced.
type limited struct {
	bytes.Buffer
	room int64
}

// Room implements [share.Bounded].
func (l *limited) Room() int64 { return l.room - int64(l.Len()) }

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if int64(len(p)) > l.Room() {
		return 0, fault.Newf(fault.BackupDamaged, "a file is longer than the share reports")
	}
	return l.Buffer.Write(p)
}
