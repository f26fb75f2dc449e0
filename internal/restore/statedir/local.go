package statedir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"infrabackup/internal/fault"
)

const (
	lockFile   = "lock"
	partSuffix = ".part"
)

// Local is a [Store] in a folder on this machine's disk, which is made when it is needed, for
// its owner alone.
type Local string

// List implements [Store].
func (l Local) List(ctx context.Context) ([]string, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(string(l))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, classify("the folder "+string(l)+" cannot be read", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Make implements [Store].
func (l Local) Make(ctx context.Context, name string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(string(l), 0o700); err != nil {
		return classify("the folder "+string(l)+" cannot be created", err)
	}
	above, err := os.OpenRoot(string(l))
	if err != nil {
		return classify("the folder "+string(l)+" cannot be opened", err)
	}
	defer func() { _ = above.Close() }() // nothing is written through it
	if err := mkdir(above, name); err != nil {
		return err
	}
	root, err := above.OpenRoot(name)
	if err != nil {
		return classify("the folder of the restore cannot be opened", err)
	}
	defer func() { _ = root.Close() }() // nothing is written through it
	return errors.Join(mkdir(root, beforeDir), mkdir(root, outcomeDir))
}

// Open implements [Store].
func (l Local) Open(ctx context.Context, name string) (Folder, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path.Join(string(l), name))
	if err != nil {
		return nil, classify("the folder of restore "+name+" cannot be opened", err)
	}
	lock, err := root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errors.Join(classify("the lock of restore "+name+" cannot be opened", err), root.Close())
	}
	f := &localFolder{root: root, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fault.New(fault.RestoreRunning, "the restore "+name+" is open in another process", err), f.Close())
	}
	return f, nil
}

// localFolder is a folder of [Local].
type localFolder struct {
	root *os.Root
	lock *os.File
}

// Close implements [Folder].
func (f *localFolder) Close() error { return errors.Join(f.lock.Close(), f.root.Close()) }

// Create implements [Folder]: it writes the file beside its place, syncs it and renames it.
func (f *localFolder) Create(ctx context.Context, name string, data []byte) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if _, err := f.root.Lstat(name); err == nil {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return classify(name+" cannot be looked for", err)
	}
	file, err := f.root.OpenFile(name+partSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return classify(name+" cannot be written", err)
	}
	_, err = io.Copy(file, bytes.NewReader(data))
	err = errors.Join(err, file.Sync())
	if err = errors.Join(err, file.Close()); err != nil {
		return classify(name+" cannot be written", err)
	}
	if err := f.root.Rename(name+partSuffix, name); err != nil {
		return classify(name+" cannot be put in its place", err)
	}
	return syncDir(f.root, path.Dir(name))
}

// Read implements [Folder].
func (f *localFolder) Read(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	file, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, classify(name+" cannot be read", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, classify(name+" cannot be read", err)
	}
	if int64(len(data)) > limit {
		return nil, fault.Newf(fault.JournalInvalid, "%s is larger than any that is written", name)
	}
	return data, nil
}

func classify(what string, err error) error { return fault.New(fault.JournalIO, what, err) }

// mkdir makes a folder for its owner alone, which may be there.
func mkdir(root *os.Root, name string) error {
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return classify(name+" cannot be created", err)
	}
	return syncDir(root, ".")
}

func syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return classify(name+" cannot be opened", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return classify(name+" cannot be synced", err)
	}
	return nil
}
