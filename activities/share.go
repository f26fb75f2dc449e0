package activities

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// CheckShare is the pre-flight of a run: it pins the settings, makes sure that they were
// not set back, proves that the share takes everything that a backup needs, compares the free space with the size of
// the newest backup, and makes the folder for the work.
func (a *Activities) CheckShare(ctx context.Context, in flow.CheckShareInput) (flow.CheckShareOutput, error) {
	s, err := a.settings(ctx, 0)
	if err != nil {
		return flow.CheckShareOutput{}, err
	}
	store, err := a.stores.get(ctx, s)
	if err != nil {
		return flow.CheckShareOutput{}, err
	}
	repo := repository.New(store, a.Instance.Name)
	st, err := a.checkAnchorAgain(ctx, repo, s)
	if err != nil {
		return flow.CheckShareOutput{}, err
	}
	newest, size, err := probeAndLook(ctx, repo, string(in.BackupID), s.Controller)
	if err != nil {
		return flow.CheckShareOutput{}, err
	}
	if err := a.anchors(repo, s).Tell(ctx, &st.Share); err != nil {
		return flow.CheckShareOutput{}, err
	}
	if err := repo.BeginSeen(ctx, in.BackupID, st.Share.Staging); err != nil {
		return flow.CheckShareOutput{}, err
	}
	free, err := freeSpace(ctx, store, size, in.IgnoreFreeSpace)
	if err != nil {
		return flow.CheckShareOutput{}, errors.Join(err, repo.Discard(ctx, in.BackupID))
	}
	out := a.required(ctx, s)
	out.Previous, out.PreviousKnown = newest, true
	out.Revision, out.FreeBytes = s.Revision, free
	return out, nil
}

// probeAndLook proves that the share takes what a backup needs and that no other controller
// writes there, and returns the newest backup, nil for none, and its size: at once, since each
// waits for the share. What the probe finds is told first.
func probeAndLook(ctx context.Context, repo *repository.Repository, token, controller string) (newest *backup.Previous, size int64, err error) {
	var asking sync.WaitGroup
	var probeErr error
	asking.Go(func() { probeErr = repo.Probe(ctx, token) })
	asking.Go(func() {
		if err = repo.Claim(ctx, controller); err == nil {
			newest, size, err = repo.Newest(ctx)
		}
	})
	asking.Wait()
	if probeErr != nil {
		return nil, 0, probeErr
	}
	return newest, size, err
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

// freeSpace returns the free space, or SHARE_FULL when a backup as large as the newest
// one, which has that size, and a tenth more, would not fit. A share that has just taken the probe and says
// that nothing is free does not know: some servers always say so. When ignored, the
// space is reported and nothing else.
func freeSpace(ctx context.Context, store share.Store, size int64, ignored bool) (free int64, err error) {
	space, err := store.Space(ctx)
	if err != nil {
		return 0, err
	}
	if want := size / 10 * 11; !ignored && space.Free > 0 && space.Free < want {
		return 0, fault.Newf(fault.ShareFull, "%s has %d bytes free, a backup is expected to need %d", store, space.Free, want)
	}
	return space.Free, nil
}

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
