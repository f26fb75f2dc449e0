//go:build !unix

package secret

import (
	"fmt"
	"io/fs"
	"os"
)

func (f File) openPath(path string) (*os.File, fs.FileInfo, error) {
	before, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if err := regular(path, before.Mode()); err != nil {
		return nil, nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = regular(path, info.Mode())
	}
	if err == nil {
		err = f.size(path, info)
	}
	if err != nil {
		_ = file.Close() // nothing was read
		return nil, nil, err
	}
	return file, info, nil
}

func (f File) openDescriptor(path string, _ int) (*os.File, fs.FileInfo, error) {
	return nil, nil, fmt.Errorf("%s cannot be read on this system", path)
}
