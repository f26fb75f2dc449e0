package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"infrabackup/activities/comparing"
	"infrabackup/activities/drilling"
	"infrabackup/activities/restoring"
	"infrabackup/internal/backup"
	"infrabackup/internal/capture"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/mount"
	"infrabackup/internal/repository"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/spool"
)

// Recorder takes the measurements of finished steps. Package telemetry implements
// it.
type Recorder interface {
	// RecordStep counts one finished step of a service, which is empty for steps of
	// the whole backup. Code is empty when it succeeded.
	RecordStep(ctx context.Context, step string, service backup.Service, items, bytes int64, took time.Duration, code fault.Code)
}

// KeyMaker makes the keys of backups. Package privsep implements it.
type KeyMaker interface {
	// MakeKey makes the key pair of one backup and returns its public half and its
	// key.age, the private half wrapped to all of recipients. It is to do so where
	// the memory of this process does not get the private half, which nothing could
	// erase there. Errors are faults, KEY_INVALID for recipients that cannot be used
	// and INTERNAL for what may succeed the next time; ctx ends it.
	MakeKey(ctx context.Context, recipients []string) (recipient string, keyAge []byte, err error)
}

// Dependencies is what the activities work with. All fields are required, except
// Namespace, Twin, Targets and Updating.
type Dependencies struct {
	Client     client.Client
	Namespace  string // the client's
	Instance   backup.Instance
	Host       string // name of this worker's spool queue, stable across restarts
	Product    string // name and version, for manifests
	Collectors []collect.Collector
	Spool      *spool.Spool
	Keyring    *codec.Keyring
	// OpenStore connects to the share with the given settings.
	OpenStore func(ctx context.Context, s settings.Settings) (share.Store, error)
	Keys      KeyMaker
	Encrypter capture.Encrypter
	Recorder  Recorder
	Now       func() time.Time
	// Twin names another worker that serves the same spool queue, which none may; empty
	// when there is none as far as Temporal knows.
	Twin func(ctx context.Context) (string, error)
	// Targets are the configuration files of the targets of restores, by name; none where this
	// worker restores nothing.
	Targets map[string]string
	// DrillSigners reads the list of keys that certificates of drills are believed by; it is empty
	// where this worker has none.
	DrillSigners func(ctx context.Context) ([]byte, error)
	// Updating names the update that the stamp is at; empty when there is none.
	Updating func(ctx context.Context) (string, error)
}

// Activities answers for every activity of the contract.
type Activities struct {
	Dependencies
	collectors map[backup.Service]collect.Collector
	stores     *mount.Pool
	looked     *looked
	senders    *capture.Senders
	restores   *restoring.Activities
	diagnosing chan struct{} // held while the share is checked for a diagnosis
}

// New makes the activities. Close them when the workers have stopped.
func New(d Dependencies) *Activities {
	a := &Activities{
		Dependencies: d,
		collectors:   map[backup.Service]collect.Collector{},
		stores:       mount.NewPool(d.OpenStore, d.Now),
		looked:       &looked{},
		senders:      capture.NewSenders(),
		diagnosing:   make(chan struct{}, 1),
	}
	for _, c := range d.Collectors {
		a.collectors[c.Service()] = c
	}
	a.restores = restoring.New(restoring.Dependencies{
		Targets: d.Targets, Repository: a.trustedRepository, BackingUp: a.slots().BackingUp, Step: countItem,
	})
	return a
}

// Close ends what goes on in the background and the connections to the share.
func (a *Activities) Close() error {
	a.senders.StopAll()
	return errors.Join(a.restores.Close(), a.stores.Close())
}

// Register makes r, which polls the instance's queue, answer for everything that
// any worker can do.
func (a *Activities) Register(r worker.ActivityRegistry) {
	register(r, a, flow.CheckShare, a.CheckShare)
	register(r, a, flow.PrepareKey, a.PrepareKey)
	for _, service := range backup.Services() {
		register(r, a, flow.Collect(service), a.Collect)
	}
	register(r, a, flow.SealBackup, a.SealBackup)
	register(r, a, flow.PublishBackup, a.PublishBackup)
	register(r, a, flow.DiscardBackup, a.DiscardBackup)
	register(r, a, flow.ProbeShare, a.ProbeShare)
	register(r, a, flow.CopyBackups, a.CopyBackups)
	register(r, a, flow.SettleChange, a.SettleChange)
	register(r, a, flow.RestoreActive, a.RestoreSettings)
	register(r, a, flow.ListBackups, a.ListBackups)
	register(r, a, flow.VerifyBackup, a.VerifyBackup)
	register(r, a, flow.AuditShare, a.AuditShare)
	register(r, a, flow.ReplaceKeys, a.ReplaceKeys)
	register(r, a, flow.MakeChallenges, a.MakeChallenges)
	register(r, a, flow.SwapBackup, a.SwapBackup)
	register(r, a, flow.DeleteBackup, a.DeleteBackup)
	register(r, a, flow.DiagnoseHost, a.DiagnoseHost)
	register(r, a, flow.PlanUpkeep, a.PlanUpkeep)
	register(r, a, flow.StartScheduled, a.StartScheduled)
	register(r, a, flow.ReadKeyFile, a.ReadKeyFile)
	register(r, a, flow.ReadRestores, a.restores.Look)
	register(r, a, flow.CompareBackups, comparing.Activities{Repository: a.trustedRepository, Step: countItem}.Compare)
	register(r, a, flow.ReadDrills, drilling.Activities{Signers: a.DrillSigners, Repository: a.namedRepository}.Look)
}

// RegisterSpool makes r, which polls this host's spool queue, answer for what only
// the host of the spool can do.
func (a *Activities) RegisterSpool(r worker.ActivityRegistry) {
	register(r, a, flow.UploadPart, a.UploadPart)
	register(r, a, flow.ReleaseSpool, a.ReleaseSpool)
	register(r, a, flow.DiagnoseHost, a.DiagnoseHost)
}

// register makes r answer for one activity of the contract with fn, measured under the
// activity's name.
func register[In flow.Input, Out any](r worker.ActivityRegistry, a *Activities, known flow.Activity[In, Out], fn func(context.Context, In) (Out, error)) {
	known.Register(r, measured(a, known.Name, fn))
}

// maxTargetActivities bounds the restores into one target that a worker is at: one run writes,
// another one may be planning, and what a run before has lost may be ending.
const maxTargetActivities = 3

// TargetWorkers makes a worker for each target that this one may write to, as
// [Activities.SourceWorkers] does for sources.
func (a *Activities) TargetWorkers(c client.Client, options worker.Options) []worker.Worker {
	options.DisableWorkflowWorker = true
	options.MaxConcurrentActivityExecutionSize = maxTargetActivities
	options.MaxConcurrentActivityTaskPollers = 1
	var all []worker.Worker
	for _, name := range slices.Sorted(maps.Keys(a.Targets)) {
		w := worker.New(c, flow.TargetQueue(a.Instance.Name, name), options)
		register(w, a, flow.MakeRestorePlan, a.restores.Plan)
		register(w, a, flow.OpenRestore, a.restores.Open)
		register(w, a, flow.CompareRestore, a.restores.Compare)
		register(w, a, flow.RestoreBatch, a.restores.Batch)
		register(w, a, flow.CloseRestore, a.restores.CloseRestore)
		all = append(all, w)
	}
	return all
}

// namedRepository connects to the share, and names the instance as the manifests of its backups do.
func (a *Activities) namedRepository(ctx context.Context) (*repository.Repository, backup.Instance, error) {
	repo, s, err := a.repository(ctx, 0)
	return repo, a.named(s.Instance), err
}

// trustedRepository connects to the share, and lists the signing keys that are trusted.
func (a *Activities) trustedRepository(ctx context.Context) (*repository.Repository, []byte, error) {
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	trusted, err := a.trusted(ctx, s)
	return repo, trusted, err
}

// maxSourceActivities bounds the captures of one service that a worker is at: one run
// captures it, and what a run before has lost may be ending.
const maxSourceActivities = 2

// SourceWorkers makes a worker for each service that there is a source for. It polls the
// queue that only workers with that source poll, with the given options but for their
// bounds. Start them before the worker of the instance's queue, so that whoever finds
// that one finds all sources.
func (a *Activities) SourceWorkers(c client.Client, options worker.Options) []worker.Worker {
	options.DisableWorkflowWorker = true
	options.MaxConcurrentActivityExecutionSize = maxSourceActivities
	options.MaxConcurrentActivityTaskPollers = 1
	var all []worker.Worker
	for _, service := range a.services() {
		w := worker.New(c, flow.SourceQueue(a.Instance.Name, service), options)
		register(w, a, flow.Collect(service), a.Collect)
		all = append(all, w)
	}
	return all
}

// sessioned is implemented by stores that can tell what the connection is like.
type sessioned interface {
	// Describe returns dialect and cipher, such as "SMB 3.1.1" and "AES-128-GCM".
	Describe() (dialect, cipher string)
}

// closed ends the connection of a store that one activity has opened for itself.
func closed(store share.Store) error {
	if err := store.Close(); err != nil {
		return fmt.Errorf("end the connection to the share: %w", err)
	}
	return nil
}

// attempt is which one of an activity this is, from 1 on.
func attempt(ctx context.Context) int32 { return activity.GetInfo(ctx).Attempt }

// checked turns the outcome of a check into a line of a diagnosis.
func checked(name, good string, err error) diagnosis.Check {
	if err == nil {
		return diagnosis.Check{Name: name, OK: true, Message: good}
	}
	f := fault.As(err)
	return diagnosis.Check{Name: name, Code: string(f.Code), Message: f.Message(), Remedy: f.Code.Remedy()}
}
