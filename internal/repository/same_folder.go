package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/share"
)

// SameFolder reports whether two stores show one and the same folder of an instance. A
// server and a share can have several names, and what they hold can be a copy, so only a
// file that is made through the one and seen through the other tells.
func SameFolder(ctx context.Context, instance string, one, other share.Store) (same bool, err error) {
	var token [8]byte
	if _, err := rand.Read(token[:]); err != nil {
		return false, fmt.Errorf("draw a name: %w", err)
	}
	name := path.Join(instance, backup.IncomingDir, "probe-"+hex.EncodeToString(token[:]))
	if err := one.Upload(ctx, name, bytes.NewReader(token[:]), 0, int64(len(token)), nil); err != nil {
		return false, err
	}
	defer func() {
		err = errors.Join(err, one.Remove(context.WithoutCancel(ctx), name))
	}()
	info, err := other.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size == int64(len(token)), err
}
