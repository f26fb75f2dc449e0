package restoring

import (
	"context"
	"strings"

	"infrabackup/internal/config"
	"infrabackup/internal/restore/directory"
	"infrabackup/internal/restore/directory/sysvol"
	"infrabackup/internal/sources"
)

// addDirectory makes the restorer of the domain that a configuration describes, and notes
// which domain that is. Besides the account that writes, it leaves those alone whose objectGUID
// the target's file has among its own accounts.
func (t *Target) addDirectory(ctx context.Context, c config.AD) error {
	authorities, password, err := sources.Directory(c)
	if err != nil {
		return err
	}
	options := directory.Options{URL: c.URL, CACertificates: authorities, Username: c.Username, Password: password, Own: t.config.OwnAccounts}
	if c.SYSVOL != nil && *c.SYSVOL { // to be read it need not be asked for, to be written it does
		open, err := sources.SYSVOL(c, password)
		if err != nil {
			return err
		}
		options.SYSVOL = func(ctx context.Context) (sysvol.Share, error) {
			tree, err := open(ctx)
			if err != nil {
				return nil, err // not the nil tree, which would be no nil share
			}
			return tree, nil
		}
	}
	r, err := directory.New(options)
	if err != nil {
		return err
	}
	t.close = append(t.close, r.Close)
	name, sid, err := r.Domain(ctx)
	if err != nil {
		return err
	}
	t.domain = dnsOf(name)
	t.Fingerprint.DomainSID = strings.ToUpper(sid)
	t.Restorers = append(t.Restorers, r)
	return nil
}
