package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"infrabackup/internal/fault"
)

// partMark is in the temporary names of small files that never replace others. What a
// crash leaves under such a name is read by nobody.
const partMark = ".part-"

// placeNew writes a new small file: under a temporary name first, which is read back,
// and then with a rename that never replaces. It reports false when another file has
// the name.
func (r *Repository) placeNew(ctx context.Context, final string, data []byte) (bool, error) {
	token := make([]byte, 8)
	if _, err := rand.Read(token); err != nil {
		return false, fmt.Errorf("draw a temporary name: %w", err)
	}
	temp := final + partMark + hex.EncodeToString(token)
	placed, err := r.place(ctx, temp, final, data)
	if err != nil || !placed {
		// What cannot be removed is only a leftover.
		_ = r.remove(ctx, temp)
	}
	return placed, err
}

// place is placeNew with a temporary name. A lost reply to the rename is recognised.
func (r *Repository) place(ctx context.Context, temp, final string, data []byte) (bool, error) {
	if err := r.write(ctx, temp, data); err != nil {
		return false, err
	}
	same, err := r.holds(ctx, temp, describe(temp, data), nil)
	if err != nil {
		return false, err
	}
	if !same {
		return false, fault.Newf(fault.ShareCorrupted, "%s gave back other bytes than were written", temp)
	}
	renameErr := r.store.Rename(ctx, temp, final)
	if renameErr == nil {
		return true, nil
	}
	got, err := r.read(ctx, final, int64(len(data)))
	switch {
	case err == nil && bytes.Equal(got, data):
		return true, nil
	case errors.Is(renameErr, fs.ErrExist):
		return false, nil
	}
	return false, renameErr
}
