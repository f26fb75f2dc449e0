package folder

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"infrabackup/internal/share"
)

// tempInfix is in the temporary names of small files that never replace others. What a
// crash leaves under such a name is read by nobody.
const tempInfix = ".part-"

// CreateExclusive writes a new file of bytes that are at hand: under a temporary name first, which
// is read back, and then with a rename that never replaces. It reports false when another file has
// the name. The folder is made when it is not there.
func (f *Folder) CreateExclusive(ctx context.Context, final string, data []byte) (bool, error) {
	token := make([]byte, 8)
	if _, err := rand.Read(token); err != nil {
		return false, fmt.Errorf("draw a temporary name: %w", err)
	}
	temp := final + tempInfix + hex.EncodeToString(token)
	created, err := f.create(ctx, temp, final, data)
	if IsMissing(err) { // the folder, which a store may believe in for a while after it looked
		if err = f.MkdirAll(ctx, path.Dir(final)); err == nil {
			created, err = f.create(ctx, temp, final, data)
		}
	}
	if err != nil || !created {
		// What cannot be removed is only a leftover.
		_ = f.Remove(ctx, temp)
	}
	return created, err
}

// create is CreateExclusive with a temporary name. A lost reply to the rename is
// recognised.
func (f *Folder) create(ctx context.Context, temp, final string, data []byte) (bool, error) {
	if err := f.Write(ctx, temp, data); err != nil {
		return false, err
	}
	if len(data) > share.SmallFile { // smaller ones the store reads back by itself
		same, err := f.Holds(ctx, temp, Describe(path.Base(temp), data), nil)
		if err != nil {
			return false, err
		}
		if !same {
			return false, f.otherBytes(ctx, temp, path.Base(final))
		}
	}
	renameErr := f.Rename(ctx, temp, final)
	if renameErr == nil {
		return true, nil
	}
	got, err := f.Read(ctx, final, int64(len(data)))
	switch {
	case err == nil && bytes.Equal(got, data):
		return true, nil
	case errors.Is(renameErr, fs.ErrExist):
		return false, nil
	}
	return false, renameErr
}
