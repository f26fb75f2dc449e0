package activities

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/capture"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
)

// maxGaps and maxGapBytes bound the gaps that travel in a result, and with those of all other
// services in one input, of which Temporal takes 2 MiB; further ones are counted by code.
const (
	maxGaps     = 200
	maxGapBytes = 48 << 10
)

// Collect captures one service into this host's spool. What is large is uploaded while it is
// captured, which [Activities.UploadPart] completes. A repeated attempt starts over.
func (a *Activities) Collect(ctx context.Context, in flow.CollectInput) (flow.CollectOutput, error) {
	collector, ok := a.collectors[in.Service]
	if !ok {
		return flow.CollectOutput{}, fault.Newf(fault.SourceNotConfigured, "worker %s has no source for %s", a.Host, in.Service)
	}
	_, workRecipient, err := a.workKey(in.WorkKeyID, in.BackupID)
	if err != nil {
		return flow.CollectOutput{}, err
	}
	a.senders.StopBefore(in.BackupID, in.Service)
	if err := a.Spool.Begin(in.BackupID); err != nil {
		return flow.CollectOutput{}, err
	}
	rec := &capture.Recorder{
		Spool: a.Spool, Encrypter: a.Encrypter, Progress: startPhase(ctx, in.Service, flow.PhaseCapture, 0), Senders: a.senders,
	}
	if in.Revision > 0 {
		if _, _, err := a.repository(ctx, in.Revision); a.elsewhere(ctx, in.Service, err) {
			return flow.CollectOutput{}, err // what is captured here could not be sent
		}
		rec.Repository = func(ctx context.Context) (*repository.Repository, error) {
			repo, _, err := a.repository(ctx, in.Revision)
			return repo, err
		}
	}
	captured, err := rec.Capture(ctx, collector, capture.Request{BackupID: in.BackupID, Recipient: in.Recipient, WorkRecipient: workRecipient})
	if err != nil {
		return flow.CollectOutput{}, err
	}
	captured.Result.Gaps = backup.BoundGaps(captured.Result.Gaps, maxGaps, maxGapBytes)
	return flow.CollectOutput{Part: captured.Part, Index: captured.Index, Result: captured.Result, Host: a.Host}, nil
}
