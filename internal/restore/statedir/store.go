package statedir

import "context"

// Store is where the folders of restores lie: a disk, or the share with the backups.
type Store interface {
	// List names what is in the store, in any order; nothing when it was never written to.
	List(ctx context.Context) ([]string, error)
	// Make makes the folder of a restore, which may be there.
	Make(ctx context.Context, name string) error
	// Open opens a folder that was made. A store that can tell gives it to one caller at a
	// time: RESTORE_RUNNING for others, until it is closed.
	Open(ctx context.Context, name string) (Folder, error)
}

// Folder is the folder of one restore. Names are slash-separated paths below it. Its methods
// may be called from several goroutines, for different names.
type Folder interface {
	// Create writes a new file. When it returns nil, the file is whole and durable; when it
	// fails, or the process ends in between, the file is not there, or whole. The error is
	// [fs.ErrExist] when there is one already, which stays as it is.
	Create(ctx context.Context, name string, data []byte) error
	// Read returns a file of at most limit bytes. The error is [fs.ErrNotExist] when there is
	// none.
	Read(ctx context.Context, name string, limit int64) ([]byte, error)
	// Close gives the folder up.
	Close() error
}
