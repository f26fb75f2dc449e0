package repository

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// Limits of what is read into memory of files that others may have written.
const (
	maxSums    = 64 << 10
	maxSmall   = 256 << 10 // signature, key.age, allowed_signers, RECOVERY.txt
	maxFolder  = 64        // files in a backup's folder that could be its own
	maxBackups = 10_000    // folders in backups/
)

// Repository is the folder of one instance on a store.
type Repository struct {
	store    share.Store
	instance string
	named    string           // the folder in backups/ that is meant by its ID, empty for none
	now      func() time.Time // time.Now outside tests
}

// New returns the instance's repository. Nothing is read or written. Instance must
// satisfy [backup.ValidateInstanceName].
func New(store share.Store, instance string) *Repository {
	return &Repository{store: store, instance: instance, now: time.Now}
}

// String names the folder for people.
func (r *Repository) String() string {
	return strings.TrimRight(r.store.String(), `\/`) + `\` + r.instance
}

// at joins path elements below the instance's folder.
func (r *Repository) at(elements ...string) string {
	return path.Join(append([]string{r.instance}, elements...)...)
}

// read returns a whole small file, never nil unless it fails. A longer one is damaged:
// this code never writes such.
func (r *Repository) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	info, err := r.store.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	if info.IsDir {
		return nil, fault.Newf(fault.BackupDamaged, "%s is a folder", name)
	}
	if info.Size > limit {
		return nil, fault.Newf(fault.BackupDamaged, "%s has %d bytes, at most %d are expected", name, info.Size, limit)
	}
	buf := limited{room: limit}
	if _, err := r.store.Download(ctx, name, 0, &buf); err != nil {
		return nil, err
	}
	return append([]byte{}, buf.Bytes()...), nil
}

// write puts data into a file, durably, replacing what an earlier attempt left.
func (r *Repository) write(ctx context.Context, name string, data []byte) error {
	return r.store.Upload(ctx, name, bytes.NewReader(data), 0, int64(len(data)), nil)
}

// digest streams a file from the server and returns what it holds.
func (r *Repository) digest(ctx context.Context, name string, progress func(done int64)) (backup.File, error) {
	sum := sha256.New()
	counted := &counter{w: sum, progress: progress}
	n, err := r.store.Download(ctx, name, 0, counted)
	if err != nil {
		return backup.File{}, err
	}
	return backup.File{Name: path.Base(name), Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// describe gives the digest of bytes that are at hand.
func describe(name string, data []byte) backup.File {
	sum := sha256.Sum256(data)
	return backup.File{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
}

// remove removes a file or folder; a missing one is fine.
func (r *Repository) remove(ctx context.Context, name string) error {
	if err := r.store.Remove(ctx, name); err != nil && !missing(err) {
		return err
	}
	return nil
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

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if int64(l.Len()+len(p)) > l.room {
		return 0, fault.Newf(fault.BackupDamaged, "a file is longer than the share says")
	}
	return l.Buffer.Write(p)
}
