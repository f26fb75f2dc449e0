package localfile

import (
	"os"
	"path/filepath"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// OffShare refuses to write what is in clear, or a private key, to where backups lie:
// below from, the folder that is read, or below a folder that looks like an instance's on
// a mounted share. Whoever may read the share could read it there.
func OffShare(what, target, from string) error {
	at := resolved(target)
	if from != "" {
		if root := resolved(from); at == root || strings.HasPrefix(at, strings.TrimSuffix(root, "/")+"/") {
			return fault.Usagef("%s: %s lies in the folder with the backups, where others could read it; name one of this machine", what, printable.Quote(target))
		}
	}
	for folder := at; ; folder = filepath.Dir(folder) {
		if IsFolder(filepath.Join(folder, backup.BackupsDir)) && exists(filepath.Join(folder, backup.AllowedSignersFile)) {
			return fault.Usagef("%s: %s lies in %s, which is an instance's folder on a share, where others could read it; name one of this machine", what, printable.Quote(target), printable.Quote(folder))
		}
		if folder == filepath.Dir(folder) {
			return nil
		}
	}
}

// resolved is an absolute path without links, as far as there is something already.
func resolved(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path // what is done with it fails by itself
	}
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if actual, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(actual, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
