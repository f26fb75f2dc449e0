package repository

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// Try is [Repository.Probe] and asks for the free space at the same time, since each waits for
// the share. For a controller, empty for none, it also does [Repository.Claimable]. What the
// probe finds is told first.
func (r *Repository) Try(ctx context.Context, token, controller string) (entered bool, space share.Space, err error) {
	var asking sync.WaitGroup
	var claimErr, spaceErr error
	asking.Go(func() {
		if controller != "" {
			entered, claimErr = r.Claimable(ctx, controller)
		}
		space, spaceErr = r.files.Space(ctx)
	})
	err = r.Probe(ctx, token)
	asking.Wait()
	return entered, space, cmp.Or(err, claimErr, spaceErr)
}

// Preflight is what was found of the share before a backup is made.
type Preflight struct {
	Newest *backup.Previous // the newest backup, nil for none
	Size   int64            // of that
	Space  share.Space

	repo  *Repository
	id    backup.ID
	begun bool // begin has made the folder for the work
}

// Preflight proves that the share takes what a backup needs and that no other controller writes
// there, looks at the newest backup and the free space, and calls begin, which makes the folder
// for the work: at once, since each waits for the share. Nothing is begun before it is known that
// no other controller writes there. What the probe finds is told first. After any error the
// caller calls [Preflight.Undo] with it.
func (r *Repository) Preflight(ctx context.Context, id backup.ID, controller string, begin func(context.Context) error) (*Preflight, error) {
	p := &Preflight{repo: r, id: id}
	var asking sync.WaitGroup
	var claimErr, newestErr, beginErr, spaceErr error
	asking.Go(func() {
		if claimErr = r.Claim(ctx, controller); claimErr != nil {
			return
		}
		// One after the other: the probe takes longer, and a further login would, too.
		if p.Newest, p.Size, newestErr = r.Newest(ctx); newestErr != nil {
			return
		}
		if beginErr = begin(ctx); beginErr == nil {
			p.begun = true
			p.Space, spaceErr = r.files.Space(ctx)
		}
	})
	probeErr := r.Probe(ctx, string(id))
	asking.Wait()
	return p, cmp.Or(probeErr, claimErr, newestErr, beginErr, spaceErr)
}

// Fits returns SHARE_FULL when a backup as large as the newest one and a tenth more would not
// fit. A share that has just taken the probe and says that nothing is free does not know: some
// servers always say so.
func (p *Preflight) Fits() error {
	if want := p.Size / 10 * 11; p.Space.Free > 0 && p.Space.Free < want {
		return fault.Newf(fault.ShareFull, "%s has %d bytes free, a backup is expected to need %d", p.repo.files.Store, p.Space.Free, want)
	}
	return nil
}

// Undo removes the folder for the work after err and returns that, unless the share does not
// answer: then the next run clears it away.
func (p *Preflight) Undo(ctx context.Context, err error) error {
	if !p.begun || ctx.Err() != nil || fault.CodeOf(err) == fault.ShareUnreachable {
		return err
	}
	return errors.Join(err, p.repo.Discard(ctx, p.id))
}
