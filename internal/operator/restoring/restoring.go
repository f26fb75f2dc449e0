package restoring

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/build"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/extract"
	"infrabackup/internal/repository"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
)

// Backup is an open backup with its key.
type Backup struct {
	Backup *repository.Backup
	Key    seal.Identity
	parts  *parts
}

// Close closes what items were read from.
func (b Backup) Close() error { return b.parts.close() }

// Open opens the backup of a name, as [operator.ParseName] returns it, with its key. It is
// read until the context ends; the caller closes it.
func Open(ctx context.Context, place *operator.LocalRepo, name string, unverified bool, identities []seal.Identity) (b Backup, err error) {
	ref, err := place.Resolve(ctx, name, place.Latest)
	if err != nil {
		return b, err
	}
	if b.Backup, err = place.Backup(ctx, ref, unverified); err != nil {
		return b, err
	}
	if b.Key, err = extract.Unlock(ctx, b.Backup, identities); err != nil {
		return b, err
	}
	return OpenWith(ctx, b.Backup, b.Key), nil
}

// OpenWith is [Open] of a backup that was found already, with its own key.
func OpenWith(ctx context.Context, b *repository.Backup, key seal.Identity) Backup {
	return Backup{Backup: b, Key: key, parts: newParts(ctx, b, key)}
}

// source is the backup as package restore reads it.
func (b Backup) source() *restore.Source {
	return &restore.Source{
		Catalog: func(ctx context.Context, fn func(backup.CatalogEntry) error) error {
			return b.Backup.Catalog(ctx, b.Key, fn)
		},
		Item: b.parts.item,
	}
}

func (b Backup) origin() (restore.Origin, error) {
	m := b.Backup.Manifest()
	manifest, err := m.Encode()
	return restore.Origin{BackupID: m.BackupID, Manifest: restore.Digest(manifest),
		Cloud: b.Cloud()}, err
}

// Cloud is the cloud that was backed up, as far as the backup tells.
func (b Backup) Cloud() restore.Fingerprint {
	i := b.Backup.Manifest().Instance
	return restore.Fingerprint{FQDN: strings.ToLower(i.FQDN), DeploymentID: strings.ToLower(i.DeploymentID)}
}

// Request is what an operator wants to be planned.
type Request struct {
	Selection restore.Selection
	Policies  map[backup.Service]restore.Policy
	Progress  func(done, known int)
	// Site has the target's names where they are others than the source's; nil where not.
	Site *mapping.Site
}

// Plan makes a plan, and writes nothing. Errors are MAP_INVALID, MAP_FOREIGN for a map from
// another cloud or to another target, and those of [restore.Planner.Plan].
func Plan(ctx context.Context, b Backup, t *Target, r Request) (*restore.Plan, error) {
	for _, wanted := range r.Selection.Services {
		if !slices.Contains(t.Services(), wanted) {
			return nil, fault.Newf(fault.TargetNotConfigured, "the target %s has nothing to restore %s to", t.Fingerprint.Name, wanted)
		}
	}
	origin, err := b.origin()
	if err != nil {
		return nil, err
	}
	m, err := mapOf(r.Site, origin.Cloud, t.Fingerprint)
	if err != nil {
		return nil, err
	}
	planner := restore.Planner{Source: b.source(), Restorers: t.Restorers, Map: m, Origin: origin, Target: t.Fingerprint, Selection: r.Selection,
		Policies: r.Policies, Product: "infrabackup " + build.Version(), Now: time.Now, Progress: r.Progress}
	return planner.Plan(ctx)
}

// Seal encrypts a plan for the owners of the keys, and for others: the file that [Apply]
// takes.
func Seal(plan *restore.Plan, identities []seal.Identity, others ...seal.Recipient) ([]byte, error) {
	var b bytes.Buffer
	recipients := slices.Clone(others)
	for _, identity := range identities {
		recipients = append(recipients, identity.Recipient())
	}
	err := statedir.WritePlan(&b, plan, recipients...)
	return b.Bytes(), err
}

// Keep lays a plan into a store of restores, from where [OpenRestoration] applies it.
func Keep(ctx context.Context, plan *restore.Plan, identities []seal.Identity, store statedir.Store, others ...seal.Recipient) error {
	file, err := Seal(plan, identities, others...)
	if err != nil {
		return err
	}
	dir, _, err := statedir.Create(ctx, store, file, identities)
	if err != nil {
		return err
	}
	return dir.Close()
}

// Application is a plan that is applied.
type Application struct {
	State    statedir.Store // with the folders of restores
	Consent  restore.Consent
	Progress func(restore.Outcome)
	// Recipients can read the plan of an undo besides the owners of the keys that it is made
	// with.
	Recipients []seal.Recipient
}

// Opener opens the backup that a plan was made of.
type Opener func(context.Context, backup.ID) (Backup, error)

// Applied is what came of a plan. Plan is nil when it could not be read.
type Applied struct {
	Plan   *restore.Plan
	Totals restore.Totals
	// Learned are the identities that the target gave.
	Learned []mapping.Pair
}

// Apply applies a plan, or goes on with one that was ended. PlanFile is the whole file.
// Totals that are not whole are no error. Errors are those of [statedir.Create] and
// [restore.Apply], and PLAN_DIFFERS for a backup that is not as it was.
func Apply(ctx context.Context, planFile []byte, identities []seal.Identity, t *Target, open Opener, a Application) (done Applied, err error) {
	dir, plan, err := statedir.Create(ctx, a.State, planFile, identities)
	if err != nil {
		return done, err
	}
	done.Plan = plan
	defer func() { err = errors.Join(err, dir.Close()) }()
	if plan.Header.Kind != restore.OfBackup {
		return done, fault.New(fault.Usage, "this is the plan of an undo, which `recover undo` makes and applies", nil)
	}
	run, err := newRun(plan, t, dir, a)
	if err != nil {
		return done, err
	}
	if err := run.from(ctx, open); err != nil {
		return done, err
	}
	done.Totals, err = restore.Apply(ctx, run.Run)
	done.Learned = run.Map.Pairs()
	return done, err
}

// run is a run whose backup is opened when it is needed.
type run struct{ *restore.Run }

func newRun(plan *restore.Plan, t *Target, journal restore.Journal, a Application) (run, error) {
	m, err := mapping.For(plan.Header.Site)
	if err != nil {
		return run{}, fault.New(fault.PlanInvalid, "the names of the plan cannot be", err)
	}
	return run{&restore.Run{Plan: plan, Restorers: t.Restorers, Journal: journal, Map: m, Target: t.Fingerprint, Consent: a.Consent, Now: time.Now, Progress: a.Progress}}, nil
}

// from opens the backup of the plan, and makes sure that it is the one.
func (r run) from(ctx context.Context, open Opener) error {
	b, err := open(ctx, r.Plan.Header.Origin.BackupID)
	if err != nil {
		return err
	}
	origin, err := b.origin()
	if err != nil {
		return err
	}
	if origin != r.Plan.Header.Origin {
		return fault.Newf(fault.PlanDiffers, "backup %s is not as it was when the plan was made", origin.BackupID)
	}
	r.Source = b.source()
	return nil
}
