package localfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// MaxBytes bounds files that an operator names.
const MaxBytes = 1 << 20

// Read reads a file that a flag names and that nobody else may write to, see
// [secret.File]; with private, nobody else may read it either. What a shell makes of
// <(command) is good.
func Read(ctx context.Context, flag, file string, private bool) ([]byte, error) {
	data, err := secret.File{MaxBytes: MaxBytes, Private: private, Descriptor: true}.Read(ctx, file)
	switch {
	case err != nil && IsFolder(file):
		return nil, fault.Usagef("%s: %s is a folder", flag, file)
	case err != nil:
		return nil, fault.OfInput(ctx, flag+" cannot be read", err)
	}
	if data, err = secret.Text(data); err != nil {
		return nil, fault.New(fault.Usage, flag+": "+file+" cannot be used", err)
	}
	return data, nil
}

// Create writes a file for its owner only, which must not exist yet, not even as a link.
func Create(file string, text secret.String) error {
	if err := OffShare("the file", file, ""); err != nil {
		return err
	}
	return CreateWith(file, func(w io.Writer) error {
		_, err := io.WriteString(w, text.Reveal())
		return err
	})
}

// CreateWith is [Create] for what fill writes. Whether it may lie there is for the caller to
// find out, see [OffShare]. A file that cannot be completed is removed.
func CreateWith(file string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return Occupied(file)
	}
	if err != nil {
		return fault.New(fault.Usage, "the file cannot be created", err)
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fault.New(fault.Usage, file+" cannot be written", err), os.Remove(file))
	}
	return nil
}

// Occupied is the fault of a file that is there already.
func Occupied(file string) error {
	return fault.Newf(fault.AlreadyExists, "%s exists, and what lies there is never overwritten", file)
}

// Exists reports whether something has that name, were it a link that leads nowhere.
func Exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// IsFolder reports whether a folder has that name.
func IsFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
