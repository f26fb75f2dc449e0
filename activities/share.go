package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"golang.org/x/sync/errgroup"

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
	if err := repo.Probe(ctx, string(in.BackupID)); err != nil {
		return flow.CheckShareOutput{}, err
	}
	if err := repo.Claim(ctx, s.Controller); err != nil {
		return flow.CheckShareOutput{}, err
	}
	if err := a.anchors(repo, s).Tell(ctx, &st.Share); err != nil {
		return flow.CheckShareOutput{}, err
	}
	if err := repo.BeginSeen(ctx, in.BackupID, st.Share.Staging); err != nil {
		return flow.CheckShareOutput{}, err
	}
	previous, free, err := freeSpace(ctx, store, repo, in.IgnoreFreeSpace)
	if err != nil {
		return flow.CheckShareOutput{}, errors.Join(err, repo.Discard(ctx, in.BackupID))
	}
	out := a.required(ctx, s)
	out.Previous, out.PreviousKnown = previous, true
	out.Revision, out.FreeBytes = s.Revision, free
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

// freeSpace returns the newest backup, nil for none, and the free space, or SHARE_FULL when a backup as large as the newest
// one, and a tenth more, would not fit. A share that has just taken the probe and says
// that nothing is free does not know: some servers always say so. When ignored, the
// space is reported and nothing else.
func freeSpace(ctx context.Context, store share.Store, repo *repository.Repository, ignored bool) (newest *backup.Previous, free int64, err error) {
	var space share.Space
	var size int64
	group, within := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		space, err = store.Space(within)
		return err
	})
	group.Go(func() (err error) {
		newest, size, err = repo.Newest(within)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	if want := size / 10 * 11; !ignored && space.Free > 0 && space.Free < want {
		return nil, 0, fault.Newf(fault.ShareFull, "%s has %d bytes free, a backup is expected to need %d", store, space.Free, want)
	}
	return newest, space.Free, nil
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
