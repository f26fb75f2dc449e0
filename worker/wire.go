package main

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/client"

	"infrabackup/activities"
	"infrabackup/internal/azure/maintenance"
	"infrabackup/internal/backup"
	"infrabackup/internal/build"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/mount"
	"infrabackup/internal/privsep"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
	"infrabackup/internal/sources"
	"infrabackup/internal/spool"
	"infrabackup/internal/telemetry"
)

// dependencies gives the activities what they work with. Program is this one, for its
// children.
func dependencies(c *config.Worker, temporalClient client.Client, namespace string, twin *twins, collectors []collect.Collector, spooled *spool.Spool, ring *codec.Keyring, program string, measured *telemetry.Telemetry) activities.Dependencies {
	return activities.Dependencies{
		Client:    temporalClient,
		Namespace: namespace,
		Twin:      twin.look,
		Instance: backup.Instance{
			Name: c.Instance.Name, FQDN: c.Instance.FQDN, Region: c.Instance.Region, DeploymentID: c.Instance.DeploymentID,
		},
		Host:       c.Host,
		Product:    "infrabackup " + build.Version(),
		Collectors: collectors,
		Spool:      spooled,
		Keyring:    ring,
		OpenStore:  openStore,
		Keys:       privsep.NewKeyMaker(program),
		Encrypter:  privsep.NewEncrypter(program),
		Recorder:   measured,

		DrillSigners: drillSigners(c.DrillSigners),
		Now:          time.Now,
	}
}

// drillSigners reads the list of keys that certificates of drills are believed by each time:
// it is changed while the worker runs.
func drillSigners(file string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		if file == "" {
			return nil, nil
		}
		list, err := secret.File{MaxBytes: maxSigners}.Read(ctx, file)
		if err == nil && len(bytes.TrimSpace(list)) == 0 {
			err = errors.New("it is empty")
		}
		if err != nil {
			return nil, fault.New(fault.ConfigInvalid, "drillSigners: "+file+" cannot be used", err)
		}
		return list, nil
	}
}

// maxSigners bounds that list, in bytes.
const maxSigners = 64 << 10

// updatingOf asks the stamp whether it is being updated; nil where no stamp is configured.
func updatingOf(c *config.Worker) (func(context.Context) (string, error), error) {
	if c.Sources.Azure == nil {
		return nil, nil
	}
	stamp, err := sources.Stamp(*c.Sources.Azure)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		return maintenance.Updating(ctx, stamp.Admin(), c.Instance.Region, time.Now())
	}, nil
}

// openStore connects to the share that the settings name.
func openStore(ctx context.Context, s settings.Settings) (share.Store, error) {
	store, err := mount.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	return describedStore{store}, nil
}

// describedStore tells the activities what the connection is like, in their words.
type describedStore struct{ *smb.Store }

// Describe returns dialect and cipher.
func (d describedStore) Describe() (dialect, cipher string) {
	session := d.Session()
	return session.Dialect, session.Cipher
}
