package control

import (
	"cmp"
	"context"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// BeginBackup starts a backup, as [Controller.Start] does. The operation has the backup's
// ID.
func (c *Controller) BeginBackup(ctx context.Context, by string) (Begun, error) {
	started, err := c.Start(ctx, by, 0)
	return Begun{ID: string(started.BackupID)}, err
}

// BeginChange begins to enable backups, or a change of what is different of the settings
// that are wanted: all of it as one revision, the schedule together with the rest. A schedule
// alone is set at once, and the operation has no ID then. CHANGE_RUNNING while another
// change runs; ALREADY_ENABLED when the first settings are wanted and there are some.
func (c *Controller) BeginChange(ctx context.Context, in Wanted) (Begun, error) {
	if err := in.checkProofs(c.instance); err != nil {
		return Begun{}, err
	}
	now, err := c.Summary(ctx)
	if fault.CodeOf(err) == fault.NotEnabled {
		if in.scheduleAlone() {
			return Begun{}, err
		}
		return c.beginEnable(ctx, in)
	}
	if err != nil {
		return Begun{}, err
	}
	if in.First {
		return Begun{}, fault.Newf(fault.AlreadyEnabled, "backup is enabled for instance %s already, by %s", c.instance, now.ChangedBy)
	}
	state, err := c.Upkeep(ctx)
	if err != nil {
		return Begun{}, err
	}
	next, err := in.scheduleOver(state.Schedule.Setting)
	if err != nil {
		return Begun{}, err
	}
	revision, w, err := c.proposeWanted(ctx, in, now)
	if err == nil {
		err = c.proveBefore(ctx, revision, in)
	}
	switch {
	case err != nil:
		return Begun{}, err
	case revision == 0:
		return c.patchSchedule(ctx, in, state.Schedule.Setting)
	}
	change := flow.ChangeSettingsInput{Instance: c.instance, Revision: revision, RequestedBy: in.RequestedBy}
	if next != nil {
		change.Schedule, change.ScheduleOver = next, &state.Schedule.Setting
	}
	id, err := w(ctx, change)
	return Begun{ID: id, Schedule: next}, err
}

// maxMerges bounds how often a patch is merged again because the schedule was changed meanwhile.
const maxMerges = 5

// patchSchedule merges a patch with the schedule, as it was read before, and sets that. When it was
// changed meanwhile, it is merged with what it is then. SETTINGS_CHANGED when that happens again
// and again.
func (c *Controller) patchSchedule(ctx context.Context, in Wanted, now schedule.Setting) (Begun, error) {
	for merges := 1; ; merges++ {
		next, err := in.scheduleOver(now)
		switch {
		case err != nil:
			return Begun{}, err
		case next == nil && now == (schedule.Setting{}):
			return Begun{Unchanged: true}, nil
		case next == nil:
			return Begun{Unchanged: true, Schedule: &now}, nil
		}
		_, err = c.SetSchedule(ctx, *next, &now, in.RequestedBy)
		if fault.CodeOf(err) != fault.SettingsChanged || merges == maxMerges {
			return Begun{Schedule: next}, err
		}
		state, err := c.Upkeep(ctx)
		if err != nil {
			return Begun{}, err
		}
		now = state.Schedule.Setting
	}
}

func (c *Controller) beginEnable(ctx context.Context, in Wanted) (Begun, error) {
	first := EnableRequest{
		Instance: in.Instance, Username: in.Username, Password: in.Password, Recipients: in.Recipients, Services: in.Services, RequestedBy: in.RequestedBy,
	}
	if in.Share != nil {
		first.Share = *in.Share
		first.Share.Transport = cmp.Or(first.Share.Transport, share.Encrypted)
	}
	next, err := in.scheduleOver(schedule.Setting{})
	if err != nil {
		return Begun{}, err
	}
	revision, err := c.proposeFirst(ctx, first)
	if err == nil {
		err = c.proveBefore(ctx, revision, in)
	}
	if err != nil {
		return Begun{}, err
	}
	id, err := beginning(c, flow.Enable)(ctx, flow.ChangeSettingsInput{
		Instance: c.instance, Revision: revision, RequestedBy: in.RequestedBy, Schedule: next,
	})
	return Begun{ID: id, Schedule: next}, err
}

// starter starts one of the changes of settings, and returns its run.
type starter func(ctx context.Context, in flow.ChangeSettingsInput) (string, error)

func beginning[Out any](c *Controller, w flow.Workflow[flow.ChangeSettingsInput, Out]) starter {
	return func(ctx context.Context, in flow.ChangeSettingsInput) (string, error) {
		run, err := startChange(ctx, c, w, in)
		if err != nil {
			return "", err
		}
		return run.GetRunID(), nil
	}
}

// proposeWanted proposes what is different from the active settings as one revision, and
// returns how it is begun; revision 0 when nothing is.
func (c *Controller) proposeWanted(ctx context.Context, in Wanted, now settings.Summary) (int64, starter, error) {
	change := settings.Change{By: in.RequestedBy, MayBeActive: true}
	var start starter
	if len(in.Recipients) > 0 {
		if wanted := recipients(in.Recipients); !sameKeys(wanted, now.Recipients) {
			change.Kind, change.Recipients, start = settings.KindKey, wanted, beginning(c, flow.ChangeKey)
		}
	}
	if given := !in.Password.IsZero(); given || in.Username != "" && in.Username != now.Username {
		name := in.Username
		if name == "" {
			name = now.Username
		}
		change.Kind, start = settings.KindCredentials, beginning(c, flow.ChangeCredentials)
		change.Credential = &settings.Credential{Username: name, Password: secret.NewTransfer(in.Password)}
		change.KeepPassword = !given
	}
	if in.Share != nil {
		next := *in.Share
		if next.Transport == "" {
			next.Transport = now.Share.Transport
			if next.Place() == now.Share.Place() {
				next = now.Share
			}
		}
		if next != now.Share {
			change.Kind, change.Share, start = settings.KindShare, &next, beginning(c, flow.ChangeShare)
		}
	}
	if start == nil {
		return 0, nil, nil
	}
	revision, err := c.proposeChange(ctx, change)
	return revision, start, err
}

// sameKeys reports whether both are the same keys, in any order.
func sameKeys(wanted []settings.Recipient, now []settings.RecipientSummary) bool {
	return len(wanted) == len(now) && !slices.ContainsFunc(wanted, func(w settings.Recipient) bool {
		return !slices.ContainsFunc(now, func(n settings.RecipientSummary) bool { return n.Fingerprint == w.Fingerprint })
	})
}

// BeginPrune begins to remove what has expired, or to tell what would be removed.
// CHANGE_RUNNING while another removal runs.
func (c *Controller) BeginPrune(ctx context.Context, dryRun, acrossHole bool, by string) (Begun, error) {
	return c.beginPrune(ctx, flow.PruneInput{Instance: c.instance, DryRun: dryRun, AcrossHole: acrossHole, RequestedBy: by})
}

func (c *Controller) beginPrune(ctx context.Context, in flow.PruneInput) (Begun, error) {
	if _, err := c.Summary(ctx); err != nil {
		return Begun{}, err
	}
	id := flow.PruneWorkflowID(c.instance)
	run, err := flow.Prune.Start(ctx, c.client, c.options(id), in)
	if err != nil {
		return Begun{}, c.running(ctx, err, fault.ChangeRunning, "a removal of expired backups", id)
	}
	return Begun{ID: run.GetRunID()}, nil
}

// Prune is [Controller.BeginPrune], and waits for what comes of it.
func (c *Controller) Prune(ctx context.Context, dryRun, acrossHole bool, by string) (operation.PruneResult, error) {
	return c.prune(ctx, flow.PruneInput{Instance: c.instance, DryRun: dryRun, AcrossHole: acrossHole, RequestedBy: by})
}

// PruneBy tells what would be removed if the setting were another one.
func (c *Controller) PruneBy(ctx context.Context, setting schedule.Setting, by string) (operation.PruneResult, error) {
	if err := setting.Validate(); err != nil {
		return operation.PruneResult{}, err
	}
	return c.prune(ctx, flow.PruneInput{Instance: c.instance, DryRun: true, Try: &setting, RequestedBy: by})
}

func (c *Controller) prune(ctx context.Context, in flow.PruneInput) (operation.PruneResult, error) {
	begun, err := c.beginPrune(ctx, in)
	if err != nil {
		return operation.PruneResult{}, err
	}
	id := flow.PruneWorkflowID(c.instance)
	run := flow.Prune.Attach(ctx, c.client, id, begun.ID)
	out, err := result(ctx, c, run, watchedRun{id: id, runID: begun.ID, kind: flow.Prune.Name, what: "the removal of expired backups", idle: true})
	if err != nil {
		return operation.PruneResult{}, err
	}
	return pruneResult(out), nil
}

func pruneResult(out flow.PruneOutput) operation.PruneResult {
	return operation.PruneResult{
		Decisions: append([]flow.PruneDecision{}, out.Plan.Decisions...), Hold: out.Plan.Hold, Removed: append([]backup.ID{}, out.Removed...), Failed: out.Failed,
	}
}

// verifyOperation begins the ID of a verification's operation; the backup's ID follows.
const verifyOperation = "verify:"

// BeginVerify begins to verify a backup; one that runs already is joined.
func (c *Controller) BeginVerify(ctx context.Context, id backup.ID) (Begun, error) {
	if _, err := backup.ParseID(string(id)); err != nil {
		return Begun{}, fault.New(fault.Usage, "the backup was not understood", err)
	}
	if _, err := c.Summary(ctx); err != nil {
		return Begun{}, err
	}
	options := c.options(flow.VerifyWorkflowID(c.instance, id))
	options.WorkflowExecutionErrorWhenAlreadyStarted = false
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	_, err := flow.Verify.Start(ctx, c.client, options, flow.VerifyInput{Instance: c.instance, BackupID: id})
	return Begun{ID: verifyOperation + string(id)}, c.fault(err)
}
