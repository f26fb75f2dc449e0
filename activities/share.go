package activities

import (
	"cmp"
	"context"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/settings"
)

// CheckShare is the pre-flight of a run: it pins the settings, makes sure that they were
// not set back, proves that the share takes everything that a backup needs, compares the free space with the size of
// the newest backup, and makes the folder for the work.
func (a *Activities) CheckShare(ctx context.Context, in flow.CheckShareInput) (flow.CheckShareOutput, error) {
	s, err := a.settings(ctx, 0)
	if err != nil {
		return flow.CheckShareOutput{}, err
	}
	if f, err := a.slots().Restoring(ctx); f != nil || err != nil {
		return flow.CheckShareOutput{}, cmp.Or[error](err, f)
	}
	store, err := a.stores.Get(ctx, s)
	if err != nil {
		return flow.CheckShareOutput{}, err
	}
	repo := repository.New(store, a.Instance.Name)
	st, err := a.checkAnchorAgain(ctx, repo, s)
	if err != nil {
		return flow.CheckShareOutput{}, err
	}
	p, err := repo.Preflight(ctx, in.BackupID, s.Controller, func(ctx context.Context) error {
		if err := a.anchors(repo, s).Tell(ctx, &st.Share); err != nil {
			return err
		}
		return repo.BeginSeen(ctx, in.BackupID, st.Share.Staging)
	})
	if err == nil && !in.IgnoreFreeSpace {
		err = p.Fits()
	}
	if err != nil {
		return flow.CheckShareOutput{}, p.Undo(ctx, err)
	}
	out := a.required(ctx, s)
	out.Previous, out.PreviousKnown = p.Newest, true
	out.Revision, out.FreeBytes = s.Revision, p.Space.Free
	return out, nil
}

// required says what the backup has to contain and who captures it. Where the settings
// do not say it, that is what any worker has a source for.
func (a *Activities) required(ctx context.Context, s settings.Settings) (out flow.CheckShareOutput) {
	own := a.services()
	for _, service := range backup.Services() {
		pollers := a.pollers(ctx, service)
		has := slices.Contains(own, service)
		if !slices.Contains(s.Services, service) && (len(s.Services) > 0 || !has && pollers <= 0) {
			continue
		}
		out.Services = append(out.Services, service)
		switch {
		case pollers != 0: // when Temporal cannot tell, the capture finds out
		case has:
			out.Shared = append(out.Shared, service)
		default:
			out.Absent = append(out.Absent, service)
		}
	}
	return out
}

// pollers returns how many workers have polled the queue of a service's source of late,
// -1 when Temporal does not tell.
func (a *Activities) pollers(ctx context.Context, service backup.Service) int {
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	queue, err := a.Client.DescribeTaskQueue(ctx, flow.SourceQueue(a.Instance.Name, service), enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return -1
	}
	return len(queue.GetPollers())
}

// describeTime bounds one question to Temporal about who polls.
const describeTime = 5 * time.Second

// services lists what this worker has sources for, in the usual order.
func (a *Activities) services() []backup.Service {
	var services []backup.Service
	for _, service := range backup.Services() {
		if _, ok := a.collectors[service]; ok {
			services = append(services, service)
		}
	}
	return services
}
