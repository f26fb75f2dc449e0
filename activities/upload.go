package activities

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/capture"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// UploadPart writes a captured part, and the list of its items unless the result can hold
// that, from this host's spool to the share. It waits for what began while the part was captured, or goes on where
// the last attempt had flushed, and reads everything back and compares.
func (a *Activities) UploadPart(ctx context.Context, in flow.UploadPartInput) (flow.UploadPartOutput, error) {
	out, err := a.uploadPart(ctx, in)
	if a.elsewhere(ctx, in.Service, err) && attempt(ctx) >= uploadTries {
		err = fault.New(fault.SpoolLost, "the share cannot be reached from host "+a.Host+", which holds what was captured", err)
	}
	return out, err
}

// uploadTries is after how many tries, which take some ten minutes, another host captures again.
const uploadTries = 14

// elsewhere reports whether a worker on another host may reach the share where this one does not.
func (a *Activities) elsewhere(ctx context.Context, service backup.Service, err error) bool {
	return fault.CodeOf(err) == fault.ShareUnreachable && a.pollers(ctx, service) > 1
}

func (a *Activities) uploadPart(ctx context.Context, in flow.UploadPartInput) (flow.UploadPartOutput, error) {
	repo, _, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.UploadPartOutput{}, err
	}
	up := &capture.Upload{
		Repository: repo, Spool: a.Spool, BackupID: in.BackupID, Progress: startPhase(ctx, in.Service, flow.PhaseUpload, in.Part.Size),
	}
	out := flow.UploadPartOutput{Part: in.Part, Index: in.Index}
	if out.ResumedFrom, err = up.Part(ctx, in.Part, a.senders); err != nil {
		return out, err
	}
	out.SentBytes = in.Part.Size - out.ResumedFrom
	if in.Inline {
		out.IndexData, err = capture.ReadIndex(a.Spool, in.BackupID, in.Index)
		return out, err
	}
	_, err = up.File(ctx, in.Index, nil)
	return out, err
}

// ReleaseSpool forgets what this host captured for a backup.
func (a *Activities) ReleaseSpool(_ context.Context, in flow.ReleaseSpoolInput) (struct{}, error) {
	a.senders.Stop(in.BackupID, in.Service)
	return struct{}{}, a.Spool.Release(in.BackupID, in.Service)
}
