package share

import (
	"context"
	"io"
	"time"

	"infrabackup/internal/fault"
)

// Limits that adapters enforce on what a server tells them.
const (
	// MaxEntries is the largest number of entries that List returns.
	MaxEntries = 100_000
	// MaxPath is the longest path in bytes that is accepted.
	MaxPath = 200
	// MaxStrangers is the largest number of names that Strangers returns.
	MaxStrangers = 100
	// SmallFile is the largest file that Upload reads back by itself.
	SmallFile = 3 << 19
)

// Store is a folder on an external store. All paths are relative to it, use
// forward slashes, have no "." or ".." element, and only the characters
// a-z A-Z 0-9 . _ -; an implementation refuses any other with a SHARE_INVALID
// fault ([CheckPath]). The empty path is the store's own folder, for MkdirAll,
// Stat and List only. Every error is a *fault.Fault with a SHARE_… code, or wraps
// one, except that errors caused by the end of ctx wrap ctx.Err(), and that an
// error of the caller's own reader or writer is wrapped as it is.
//
// A missing file or folder gives a fault for which errors.Is(err, fs.ErrNotExist)
// holds; an existing target one for which errors.Is(err, fs.ErrExist) holds.
//
// Calls may be made concurrently. A call that cannot make progress ends when ctx
// ends or when the implementation's stall limit is reached, never later. After a
// failure the next call connects again where needed: a Store outlives the restart
// of its server.
type Store interface {
	// String names the store for people, such as \\fs\AzSBackups\path. It holds
	// no credential.
	String() string

	// MkdirAll makes the folder and its parents. Existing ones are fine.
	MkdirAll(ctx context.Context, path string) error

	// Upload writes src[from:size) to the file at the same offsets and makes it
	// durable. With from == 0 the file is created, or emptied when it is there;
	// otherwise it must exist and hold at least from bytes (SHARE_CORRUPTED when
	// it holds fewer), which stay as they are. Flushed, when not nil, is called with ever larger offsets: everything
	// below is on stable storage, so a later Upload of the same bytes may continue
	// there. When Upload returns nil, the file has exactly size bytes, all of them
	// flushed. Src must be safe for concurrent ReadAt.
	//
	// A file of at most SmallFile bytes that is written from its beginning is read back,
	// from the server, before Upload returns: SHARE_CORRUPTED when that gives other bytes
	// than src. Far from the server that is less than half of what opening it again costs.
	Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(offset int64)) error

	// UploadGrowing is Upload for a file that is still being written: it follows as src
	// grows, which extent tells, and ends when src has ended. It returns the size. An
	// error of extent is wrapped as it is.
	UploadGrowing(ctx context.Context, path string, src io.ReaderAt, from int64, extent Extent, flushed func(offset int64)) (size int64, err error)

	// DownloadGrowing is Download from the beginning of a file that an upload is still
	// writing: it reads what extent says can be read, and ends where extent ends. The file
	// has to exist as soon as extent tells of any byte. An error of extent is wrapped as
	// it is.
	DownloadGrowing(ctx context.Context, path string, extent Extent, w io.Writer) (int64, error)

	// Download streams the file's bytes from offset to its end into w, in order,
	// and returns how many were written. The end is where it was when Download
	// started; an offset beyond it is SHARE_CORRUPTED, a folder SHARE_IO, and more bytes than
	// a [Bounded] w has room for are LIMIT_EXCEEDED and not read. It reads from the server,
	// not from what this process wrote before.
	Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error)

	// Open opens a file for random reading. The caller closes it. Ctx bounds every
	// later read.
	Open(ctx context.Context, path string) (File, error)

	// Stat describes a file or folder.
	Stat(ctx context.Context, path string) (Info, error)

	// List returns a folder's entries sorted by name, and refuses a folder with
	// more than MaxEntries with LIMIT_EXCEEDED. Entries whose name is not a
	// [ValidName], such as a file server's snapshot folder, are left out, and so are
	// links and whatever else is neither a file nor a folder.
	List(ctx context.Context, path string) ([]Info, error)

	// Strangers returns the names in a folder that List leaves out, sorted and at most
	// MaxStrangers of them. They are for reports only: no call takes them, and they
	// hold whatever characters the server allows, so that the caller quotes them. It
	// refuses what List refuses.
	Strangers(ctx context.Context, path string) ([]string, error)

	// Rename moves a file or folder, waits for those who have it open as long as the
	// implementation's timeout lasts (then SHARE_BUSY), and never replaces: when newPath exists, it
	// fails with fs.ErrExist. It is atomic: after a crash one of the two names
	// exists. The parent of newPath must exist.
	Rename(ctx context.Context, oldPath, newPath string) error

	// Remove removes one file or empty folder. A missing one is fs.ErrNotExist, a
	// folder that is not empty fs.ErrExist.
	Remove(ctx context.Context, path string) error

	// Space reports how much free space the caller has, as the server says. Some servers say
	// that nothing is free, or nothing at all, though they take files.
	Space(ctx context.Context) (Space, error)

	// Close ends all connections. Calls after it fail.
	Close() error
}

// Extent tells how far a file has come that is still being written, such as a
// blocksum.Progress.
type Extent interface {
	// Wait returns how many bytes can be read, once there are more than beyond or the
	// file has ended, and whether it has.
	Wait(ctx context.Context, beyond int64) (end int64, ended bool, err error)
}

// Whole is the extent of a file that has ended with so many bytes.
type Whole int64

// Wait implements [Extent].
func (w Whole) Wait(context.Context, int64) (end int64, ended bool, err error) {
	return int64(w), true, nil
}

// Bounded is implemented by writers that say how much they take.
type Bounded interface {
	// Room is how many more bytes are taken.
	Room() int64
}

// CheckRoom refuses to read size bytes of a file into a w that has no room for them. What
// names the file.
func CheckRoom(what string, w io.Writer, size int64) error {
	if b, ok := w.(Bounded); ok && size > b.Room() {
		return fault.Newf(fault.LimitExceeded, "%s: it has %d bytes, and at most %d are read", what, size, b.Room())
	}
	return nil
}

// Scanner is implemented by stores that can list a folder and its strangers at once.
type Scanner interface {
	// Scan returns what List and Strangers do.
	Scan(ctx context.Context, path string) (entries []Info, strangers []string, err error)
}

// File is an open file of known size.
type File interface {
	io.ReaderAt
	io.Closer
	// Size is the size when the file was opened.
	Size() int64
}

// Info describes a file or folder.
type Info struct {
	Name     string
	Size     int64
	Modified time.Time
	IsDir    bool
}

// Space is the free space of the store in bytes, as far as the caller may use it.
type Space struct {
	Free  int64
	Total int64
}
