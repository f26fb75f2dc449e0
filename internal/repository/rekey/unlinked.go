package rekey

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"infrabackup/internal/fault"
)

// unlinkedPrefix begins the name that a temporary file has for a moment; digits follow.
const unlinkedPrefix = "infrabackup-reencrypt-"

// unlinkedFile is a local file that is gone when the process is, however that ends: its name
// is removed right after it was opened. Where an open file cannot be removed, it keeps
// its name until it is discarded, and [removeLeftovers] removes those of the dead.
type unlinkedFile struct {
	*os.File
	name string // empty when it has none
}

func createUnlinked(dir string) (*unlinkedFile, error) {
	f, err := os.CreateTemp(dir, unlinkedPrefix)
	if err != nil {
		return nil, err
	}
	if os.Remove(f.Name()) == nil {
		return &unlinkedFile{File: f}, nil
	}
	return &unlinkedFile{f, f.Name()}, nil
}

// discard closes the file, and removes it where it has a name.
func (n *unlinkedFile) discard() error {
	err := n.Close()
	if n.name != "" {
		err = errors.Join(err, os.Remove(n.name))
	}
	return err
}

// removeLeftovers removes what processes that were killed have left in the folder. Where
// an open file cannot be removed, those of the living stay for that reason; elsewhere
// these have no name. What stays, such as another user's file, keeps nobody from working.
func removeLeftovers(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // said when the file is made
	}
	for _, entry := range entries {
		digits, ours := strings.CutPrefix(entry.Name(), unlinkedPrefix)
		if ours && strings.Trim(digits, "0123456789") == "" && entry.Type().IsRegular() {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// localWriter writes to the local disk, whose errors are not the share's.
type localWriter struct {
	file   *os.File
	folder string
}

// Write implements io.Writer.
func (w *localWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err != nil {
		err = localFault(w.folder, err)
	}
	return n, err
}

func localFault(dir string, err error) error {
	code := fault.SpoolIO
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		code = fault.SpoolFull
	}
	return fault.New(code, "cannot use the folder for temporary files "+dir, err)
}
