package repository

import (
	"context"

	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// denied makes a finding of a file that the account may not read, while it may list the
// folder that the file is in. Other errors, and those of a share that refuses more than
// that, are returned.
func (v *verification) denied(ctx context.Context, name string, err error) error {
	if fault.CodeOf(err) != fault.ShareAccessDenied {
		return err
	}
	if _, err := v.owner.files.List(ctx, v.owner.files.At(v.folder)); err != nil {
		return err
	}
	v.add(folder.Denied(v.at(name), err))
	return nil
}
