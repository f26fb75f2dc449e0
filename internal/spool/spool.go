package spool

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Spool is an open spool folder. Its methods may be called concurrently for
// different files.
type Spool struct {
	root  *os.Root
	dir   string
	names sync.Mutex // held while a name is given to a file, or taken from it
}

// Open opens the folder and makes it, for its owner alone, when it is missing.
// It refuses a folder that others may enter, or that belongs to another user
// (CONFIG_INVALID).
func Open(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.SpoolIO, "the spool folder "+dir+" cannot be created", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fault.New(fault.SpoolIO, "the spool folder "+dir+" cannot be examined", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.Newf(fault.ConfigInvalid, "the spool folder %s may be entered by others (mode %04o); use chmod 700", dir, info.Mode().Perm())
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return nil, fault.Newf(fault.ConfigInvalid, "the spool folder %s belongs to user %d, and user %d runs this; run it as the spool's owner, or use chown", dir, owner.Uid, os.Geteuid())
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fault.New(fault.SpoolIO, "the spool folder "+dir+" cannot be opened", err)
	}
	return &Spool{root: root, dir: dir}, nil
}

// String is the folder's path.
func (s *Spool) String() string { return s.dir }

// Close releases the folder. Open files stay usable.
func (s *Spool) Close() error { return s.root.Close() }

// Check proves that the folder can be written to.
func (s *Spool) Check() error {
	const probe = "probe"
	file, err := s.root.OpenFile(probe, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return s.fail("write", err)
	}
	_, err = file.Write([]byte(probe))
	if err = errors.Join(err, file.Close(), s.root.Remove(probe)); err != nil {
		return s.fail("write", err)
	}
	return nil
}

// Free tells how many bytes the caller may still write.
func (s *Spool) Free() (int64, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(s.dir, &disk); err != nil {
		return 0, s.fail("read the free space", err)
	}
	return int64(disk.Bavail) * int64(disk.Bsize), nil
}

// Exists reports whether there is a spool folder; a worker makes a missing one when it
// starts. When there is none, the error says whether the caller could not make it.
func Exists(dir string) (bool, error) {
	_, err := os.Stat(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return true, nil // what is wrong with it, opening it tells
	}
	above := filepath.Dir(filepath.Clean(dir))
	for above != filepath.Dir(above) {
		if _, err := os.Stat(above); err == nil {
			break
		}
		above = filepath.Dir(above)
	}
	if err := unix.Access(above, unix.W_OK|unix.X_OK); err != nil {
		return false, fault.New(fault.SpoolIO, "the spool folder "+dir+" is missing and cannot be created in "+above, err)
	}
	return false, nil
}

// Begin makes room for a backup: its folder is made, and what earlier backups left
// behind is removed, because only one backup runs at a time.
func (s *Spool) Begin(id backup.ID) error {
	kept, err := s.leftovers()
	if err != nil {
		return err
	}
	for _, old := range kept {
		if old != id {
			if err := s.Release(old, ""); err != nil {
				return err
			}
		}
	}
	if err := s.root.Mkdir(string(id), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return s.fail("create the folder of backup "+string(id), err)
	}
	return nil
}

// leftovers lists the backups that have files here.
func (s *Spool) leftovers() ([]backup.ID, error) {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil, s.fail("list", err)
	}
	var ids []backup.ID
	for _, e := range entries {
		if id, err := backup.ParseID(e.Name()); err == nil && e.IsDir() {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Create makes a file of a backup, for writing, and for reading what was written. An earlier
// one of the same name loses it, together with its upload journal and its sums, and stays as it is for whoever has it open still: an attempt
// that nobody waits for any more goes on writing to a file of its own.
func (s *Spool) Create(id backup.ID, name string) (*os.File, error) {
	where, err := place(id, name)
	if err != nil {
		return nil, err
	}
	s.names.Lock()
	defer s.names.Unlock()
	if err := errors.Join(s.remove(where+journalSuffix), s.remove(where+blocksSuffix), s.remove(where)); err != nil {
		return nil, err
	}
	file, err := s.root.OpenFile(where, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, s.fail("create "+where, err)
	}
	return file, nil
}

// Discard removes a file that [Spool.Create] made and that is open still, with its upload
// journal and its sums, unless another one has its name by now.
func (s *Spool) Discard(id backup.ID, name string, file *os.File) error {
	where, err := place(id, name)
	if err != nil {
		return err
	}
	s.names.Lock()
	defer s.names.Unlock()
	there, err := s.root.Lstat(where)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return s.fail("examine "+where, err)
	}
	own, err := file.Stat()
	if err != nil {
		return s.fail("examine "+where, err)
	}
	if !os.SameFile(there, own) {
		return nil
	}
	return errors.Join(s.remove(where+journalSuffix), s.remove(where+blocksSuffix), s.remove(where))
}

// Vacate removes the folder of a backup that has no files here any more. One that has some
// stays, and a missing one is fine.
func (s *Spool) Vacate(id backup.ID) error {
	if _, err := backup.ParseID(string(id)); err != nil {
		return fault.New(fault.Usage, "the spool was asked for a strange backup", err)
	}
	s.names.Lock()
	defer s.names.Unlock()
	err := s.root.Remove(string(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return s.fail("remove the folder of backup "+string(id), err)
	}
	return nil
}

// Follow opens a file that [Spool.Create] made and that is still being written, for reading
// what there is. SPOOL_LOST when another one has its name by now.
func (s *Spool) Follow(id backup.ID, name string, file *os.File) (*os.File, error) {
	where, err := place(id, name)
	if err != nil {
		return nil, err
	}
	reader, err := s.root.Open(where)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.SpoolLost, "captured data "+where+" is no longer in the spool", err)
	}
	if err != nil {
		return nil, s.fail("open "+where, err)
	}
	there, err := reader.Stat()
	own, ownErr := file.Stat()
	if err = errors.Join(err, ownErr); err == nil && !os.SameFile(there, own) {
		err = fault.Newf(fault.SpoolLost, "captured data %s is that of another capture by now", where)
	}
	if err != nil {
		_ = reader.Close() // only read
		return nil, err
	}
	return reader, nil
}

// Open opens a file of a backup for reading. It must have the size that was
// recorded when it was captured; a missing or shorter one is SPOOL_LOST.
func (s *Spool) Open(id backup.ID, want backup.File) (*os.File, error) {
	where, err := place(id, want.Name)
	if err != nil {
		return nil, err
	}
	file, err := s.root.Open(where)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.SpoolLost, "captured data "+where+" is no longer in the spool", err)
	}
	if err != nil {
		return nil, s.fail("open "+where, err)
	}
	info, err := file.Stat()
	if err == nil && info.Size() != want.Size {
		err = fault.Newf(fault.SpoolLost, "captured data %s has %d bytes in the spool, %d were recorded", where, info.Size(), want.Size)
	}
	if err != nil {
		_ = file.Close() // only read
		return nil, err
	}
	return file, nil
}

// Release removes the files of a service, or of the whole backup when service is
// empty. Missing ones are fine.
func (s *Spool) Release(id backup.ID, service backup.Service) error {
	if _, err := backup.ParseID(string(id)); err != nil {
		return fault.New(fault.Usage, "the spool was asked for a strange backup", err)
	}
	if service == "" {
		if err := s.root.RemoveAll(string(id)); err != nil {
			return s.fail("remove the files of backup "+string(id), err)
		}
		return nil
	}
	for _, name := range []string{PartName(service), IndexName(service)} {
		where := path.Join(string(id), name)
		if err := errors.Join(s.remove(where), s.remove(where+journalSuffix), s.remove(where+blocksSuffix)); err != nil {
			return err
		}
	}
	return nil
}

// PartName is the spool's name for a service's part.
func PartName(service backup.Service) string { return backup.PartFile(service) }

// IndexName is the spool's name for the catalog entries of a service's part.
func IndexName(service backup.Service) string { return backup.PartFile(service) + ".index" }

func (s *Spool) remove(where string) error {
	if err := s.root.Remove(where); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.fail("remove "+where, err)
	}
	return nil
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.]{0,99}$`)

func place(id backup.ID, name string) (string, error) {
	if _, err := backup.ParseID(string(id)); err != nil || !namePattern.MatchString(name) {
		return "", fault.Usagef("the spool was asked for the strange name %q", name)
	}
	return path.Join(string(id), name), nil
}

// Classify turns an error of reading or writing a spool file into a fault.
func (s *Spool) Classify(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.Of(err); ok {
		return err
	}
	return s.fail(doing, err)
}

func (s *Spool) fail(doing string, err error) error {
	code := fault.SpoolIO
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		code = fault.SpoolFull
	}
	return fault.New(code, "spool "+s.dir+": cannot "+doing, err)
}
