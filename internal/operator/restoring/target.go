package restoring

import (
	"context"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/config"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/ca"
)

// Target is where a restore writes to.
type Target struct {
	Fingerprint restore.Fingerprint
	Restorers   []restore.Restorer
}

// OpenTarget makes one of its configuration file. Nothing is written.
func OpenTarget(ctx context.Context, file string) (*Target, error) {
	c, err := config.LoadTarget(file)
	if err != nil {
		return nil, err
	}
	t := &Target{Fingerprint: restore.Fingerprint{Name: c.Name, FQDN: strings.ToLower(c.FQDN), DeploymentID: strings.ToLower(c.DeploymentID)}}
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
	return t, nil
}

// Services are those that the target has a restorer for.
func (t *Target) Services() []backup.Service {
	services := make([]backup.Service, 0, len(t.Restorers))
	for _, r := range t.Restorers {
		services = append(services, r.Service())
	}
	return services
}
