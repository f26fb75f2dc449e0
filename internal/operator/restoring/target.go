package restoring

import (
	"context"
	"strings"

	"infrabackup/internal/azure/account"
	"infrabackup/internal/backup"
	"infrabackup/internal/config"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/ca"
	"infrabackup/internal/restore/resources"
)

// Target is where a restore writes to.
type Target struct {
	Fingerprint restore.Fingerprint
	Restorers   []restore.Restorer
	close       []func()
}

// OpenTarget makes one of its configuration file; the caller closes it. Nothing is written.
func OpenTarget(ctx context.Context, file string) (t *Target, err error) {
	c, err := config.LoadTarget(file)
	if err != nil {
		return nil, err
	}
	t = &Target{Fingerprint: restore.Fingerprint{Name: c.Name, FQDN: strings.ToLower(c.FQDN), DeploymentID: strings.ToLower(c.DeploymentID)}}
	if c.CA != nil {
		r, err := ca.New(c.CA.Dir, ca.Options{})
		if err != nil {
			return nil, err
		}
		if t.Fingerprint.CA, err = r.Fingerprint(ctx); err != nil {
			return nil, err
		}
		t.Restorers = append(t.Restorers, r)
	}
	if c.Azure != nil {
		stamp, err := account.Open(*c.Azure)
		if err != nil {
			return nil, err
		}
		t.close = append(t.close, stamp.Close)
		t.Restorers = append(t.Restorers, resources.All(resources.Options{Stamp: stamp, Own: c.OwnAccounts, EmptyDisks: c.EmptyDisks})...)
	}
	return t, nil
}

// Close gives up connections to the target.
func (t *Target) Close() {
	for _, c := range t.close {
		c()
	}
}

// Services are those that the target has a restorer for.
func (t *Target) Services() []backup.Service {
	services := make([]backup.Service, 0, len(t.Restorers))
	for _, r := range t.Restorers {
		services = append(services, r.Service())
	}
	return services
}
