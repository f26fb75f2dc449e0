package restoring

import (
	"context"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/live"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/ca"
	"infrabackup/internal/restore/resources"
	"infrabackup/internal/restore/vault"
	"infrabackup/internal/sources"
)

// Target is where a restore writes to.
type Target struct {
	Fingerprint restore.Fingerprint
	Restorers   []restore.Restorer
	config      *config.Target
	stamp       *azure.Stamp // nil without one
	domain      string       // DNS name of the directory's domain, empty without one
	close       []func()
}

// OpenTarget makes one of its configuration file; the caller closes it. Nothing is written.
func OpenTarget(ctx context.Context, file string) (t *Target, err error) {
	c, err := config.LoadTarget(file)
	if err != nil {
		return nil, err
	}
	t = &Target{config: c, Fingerprint: restore.Fingerprint{Name: c.Name, FQDN: strings.ToLower(c.FQDN), DeploymentID: strings.ToLower(c.DeploymentID)}}
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
		stamp, err := sources.Stamp(*c.Azure)
		if err != nil {
			return nil, err
		}
		t.close = append(t.close, stamp.Close)
		t.Restorers = append(t.Restorers, resources.All(resources.Options{Stamp: stamp, Own: c.OwnAccounts, EmptyDisks: c.EmptyDisks})...)
		t.stamp = stamp
	}
	if c.AD != nil {
		if err := t.addDirectory(ctx, *c.AD); err != nil {
			t.Close()
			return nil, err
		}
	}
	return t, nil
}

// restorersOf are those for a backup of a cloud. Of a target that is another deployment the
// backup's blobs of vaults are of no use.
func (t *Target) restorersOf(cloud restore.Fingerprint) []restore.Restorer {
	all := slices.Clone(t.Restorers)
	for i, r := range all {
		if t.stamp != nil && r.Service() == backup.KeyVault {
			foreign := t.Fingerprint.DeploymentID != "" && cloud.DeploymentID != "" && t.Fingerprint.DeploymentID != cloud.DeploymentID
			all[i] = vault.New(vault.Options{Stamp: t.stamp, Rest: r, Foreign: foreign})
		}
	}
	return all
}

// Capture reads what the target holds now, as [Capture] does.
func (t *Target) Capture(ctx context.Context, services []backup.Service) (*live.Capture, error) {
	return capture(ctx, t.config, services, nil)
}

// Capture reads what the cloud of a target's file holds now, as a backup would; the account in
// the file need not be able to write. Errors are CONFIG_INVALID, TARGET_NOT_CONFIGURED for a
// service that was asked for and that the file has no source of, and those of [live.Take].
func Capture(ctx context.Context, file string, services []backup.Service, begun func(backup.Service)) (*live.Capture, error) {
	c, err := config.LoadTarget(file)
	if err != nil {
		return nil, err
	}
	return capture(ctx, c, services, begun)
}

func capture(ctx context.Context, c *config.Target, services []backup.Service, begun func(backup.Service)) (*live.Capture, error) {
	collectors, done, err := sources.Collectors(c.Sources())
	if err != nil {
		return nil, err
	}
	defer done()
	for _, wanted := range services {
		if !slices.ContainsFunc(collectors, func(c collect.Collector) bool { return c.Service() == wanted }) {
			return nil, fault.Newf(fault.TargetNotConfigured, "the target %s has no %s", c.Name, wanted)
		}
	}
	return live.Take(ctx, collectors, live.Options{Services: services, Now: time.Now, Begun: begun,
		Instance: backup.Instance{Name: c.Name, FQDN: strings.ToLower(c.FQDN), DeploymentID: strings.ToLower(c.DeploymentID)}})
}

// ForDrills reports whether the target's file says that it is there for drills.
func (t *Target) ForDrills() bool { return t.config.Drill != "" }

// learns reports whether accounts get their identities from the target's directory.
func (t *Target) learns() bool { return t.config.AD != nil }

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
