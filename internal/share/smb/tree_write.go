package smb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
)

// Look returns what a path is: whether it is there, and a folder, and the content of a file, of
// which at most most bytes are read; one that is larger is LIMIT_EXCEEDED. A link to another place is
// SHARE_UNSUPPORTED.
func (t *Tree) Look(ctx context.Context, path string, most int64) (content []byte, folder, there bool, err error) {
	if err := checkTreePath(path); err != nil {
		return nil, false, false, err
	}
	var info os.FileInfo
	err = t.store.withControl(ctx, "cannot look at "+t.store.name(path), func(tree *smb2.Share) (err error) {
		info, err = tree.Lstat(t.store.at(path))
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, false, nil
	case err != nil:
		return nil, false, false, err
	case info.Mode()&fs.ModeSymlink != 0:
		if err := t.store.refuseLink(ctx, "cannot look at "+t.store.name(path), path, info); err != nil {
			return nil, false, true, err
		}
	}
	switch {
	case info.IsDir():
		return nil, true, true, nil
	case info.Size() > most:
		return nil, false, true, fault.Newf(fault.LimitExceeded, "%s has more than %d bytes", t.store.name(path), most)
	}
	f, err := t.Open(ctx, path)
	if err != nil {
		return nil, false, true, err
	}
	content, err = io.ReadAll(io.LimitReader(f, most+1))
	if err = errors.Join(err, f.Close()); err == nil && int64(len(content)) > most {
		err = fault.Newf(fault.LimitExceeded, "%s has more than %d bytes", t.store.name(path), most)
	}
	return content, false, true, err
}

// MakeFolder makes a folder, and those that it lies in, but for the first one of several, which has to
// be there. One that is there is no error, but where it is a link to another place.
func (t *Tree) MakeFolder(ctx context.Context, path string) error {
	if err := checkWritten(path); err != nil {
		return err
	}
	if first, _, deeper := strings.Cut(path, "/"); deeper {
		// On Windows the domain's folder in SYSVOL is a junction, as no folder below it is. It is
		// never made here: what lies in it fails when it is not there.
		t.store.known.add(first)
	}
	return t.store.mkdirAll(ctx, path)
}

// checkWritten also refuses what would be a stream of another file.
func checkWritten(path string) error {
	if strings.Contains(path, ":") {
		return fault.Newf(fault.ShareInvalid, "%q is no path on a share that is written to", path)
	}
	return checkTreePath(path)
}

// WriteFile makes a file, in a folder that is there, hold data, durably: it is read back. What the
// file held is overwritten, so that it holds a part when the call is ended.
func (t *Tree) WriteFile(ctx context.Context, path string, data []byte) error {
	if err := checkWritten(path); err != nil {
		return err
	}
	size := int64(len(data))
	return t.store.writeSmall(ctx, "cannot write "+t.store.name(path), path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, bytes.NewReader(data), 0, size, 0)
}

// Remove removes a file or an empty folder.
func (t *Tree) Remove(ctx context.Context, path string) error {
	if err := checkWritten(path); err != nil {
		return err
	}
	return t.store.change(ctx, "cannot remove "+t.store.name(path), func(tree *smb2.Share) error { return tree.Remove(t.store.at(path)) })
}
