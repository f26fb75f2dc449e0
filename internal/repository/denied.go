package repository

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// denied makes a finding of a file that the account may not read, while it may list the
// folder that the file is in. Other errors, and those of a share that refuses more than
// that, are returned.
func (v *verification) denied(ctx context.Context, name string, err error) error {
	if fault.CodeOf(err) != fault.ShareAccessDenied {
		return err
	}
	if _, err := v.owner.store.List(ctx, v.owner.at(v.folder)); err != nil {
		return err
	}
	v.add(deniedFinding(v.at(name), err))
	return nil
}

// deniedFinding says that the account may not read a file.
func deniedFinding(file string, err error) backup.Finding {
	return backup.Finding{Code: string(fault.ShareAccessDenied), File: file, Message: fault.As(err).Message()}
}
