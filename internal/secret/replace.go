package secret

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace puts a new file with mode 0600 at path, so that after a crash there is the one
// before or the new one. Root gives it to the owner of what info describes: the file that
// is replaced or, for a new one, its folder. What cannot be put in place leaves no second
// file behind.
func Replace(path string, info fs.FileInfo, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	err = keepOwner(file, info)
	if err == nil {
		_, err = file.Write(data)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename in dir last.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
