package activities

import (
	"context"
	"errors"

	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// outside makes sure that a proposed share, open as store, does not begin inside the
// folder of an instance, whoever's that is, and that the instance's folder there is not
// one that the current share lies in: either would put backups among backups.
// SETTINGS_INVALID names the folder. Now is the zero value when there is no current share.
func (a *Activities) outside(ctx context.Context, store share.Store, proposed settings.Settings, now settings.Share) error {
	next := proposed.Share
	if now != (settings.Share{}) {
		if own := now.InstanceFolder(a.Instance.Name); next.Within(own) {
			return inside(next.Path, own)
		}
		if own := next.InstanceFolder(a.Instance.Name); now.Within(own) {
			return fault.Newf(fault.SettingsInvalid, "the current share, %s, lies in %s, which would be the folder of this instance", now.Path, own)
		}
	}
	is, err := repository.IsInstanceFolder(ctx, store)
	if err != nil {
		return err
	}
	if is {
		return inside(next.Path, next.Path)
	}
	unc, err := share.ParseUNC(next.Path)
	if err != nil {
		return err
	}
	for above, ok := unc.Parent(); ok; above, ok = above.Parent() {
		parent := proposed
		parent.Share.Path = above.String()
		is, err := a.isInstanceFolder(ctx, parent)
		if err != nil {
			return err
		}
		if is {
			return inside(next.Path, parent.Share.Path)
		}
	}
	return nil
}

func inside(path, folder string) error {
	if path == folder {
		return fault.Newf(fault.SettingsInvalid, "%s is the folder of an instance; the share is what that lies in", path)
	}
	return fault.Newf(fault.SettingsInvalid, "%s lies in %s, which is the folder of an instance", path, folder)
}

// isInstanceFolder looks at a folder on a connection of its own. One that the account may
// not see is none as far as anybody can tell.
func (a *Activities) isInstanceFolder(ctx context.Context, s settings.Settings) (is bool, err error) {
	store, err := a.OpenStore(ctx, s)
	switch fault.CodeOf(err) {
	case fault.ShareAccessDenied, fault.SharePathNotFound, fault.ShareUnsupported:
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, closed(store)) }()
	return repository.IsInstanceFolder(ctx, store)
}
