package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/subject"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// Latest stands for the newest finished backup.
const Latest = backup.Latest

// Resolve turns "latest" into an ID and checks the form of any other.
func (c *Controller) Resolve(ctx context.Context, id string) (backup.ID, error) {
	if id != Latest {
		parsed, err := backup.ParseID(id)
		if err != nil {
			return "", fault.New(fault.Usage, "the backup was not understood", err)
		}
		return parsed, nil
	}
	return c.latest(ctx)
}

// latest returns the newest finished backup.
func (c *Controller) latest(ctx context.Context) (backup.ID, error) {
	listed, err := c.read(ctx, flow.ListInput{Instance: c.instance, Limit: 1})
	if err != nil {
		return "", err
	}
	return c.newest(listed)
}

// latestKnown returns the newest backup of those that are finished and those that the
// ledger lists, also when it is missing on the share.
func (c *Controller) latestKnown(ctx context.Context) (backup.ID, error) {
	listed, err := c.read(ctx, flow.ListInput{Instance: c.instance, Limit: 1, Expected: true})
	if err != nil {
		return "", err
	}
	if listed.Expected != "" {
		return listed.Expected, nil
	}
	return c.newest(listed)
}

func (c *Controller) newest(listed flow.ListOutput) (backup.ID, error) {
	if len(listed.Backups) == 0 {
		return "", fault.Newf(fault.BackupNotFound, "instance %s has no finished backup", c.instance)
	}
	return listed.Backups[0].BackupID, nil
}

// read lets a worker read the share.
func (c *Controller) read(ctx context.Context, in flow.ListInput) (flow.ListOutput, error) {
	out, err := look(ctx, c, flow.List, flow.ListWorkflowID, "reading the share", in)
	if err != nil {
		return flow.ListOutput{}, err
	}
	if out.Backups == nil {
		out.Backups = []backup.Overview{}
	}
	for _, b := range out.Backups {
		if err := subject.Named(b.BackupID); err != nil {
			return flow.ListOutput{}, err
		}
	}
	if out.Expected != "" {
		err = subject.Named(out.Expected)
	}
	if in.BackupID != "" {
		if len(out.Backups) != 1 {
			return flow.ListOutput{}, fault.Newf(fault.AnswerRefused, "backup %s was requested, and %d came", in.BackupID, len(out.Backups))
		}
		err = subject.About(in.BackupID, out.Backups[0].BackupID)
	}
	return out, err
}

// Verify checks one backup without a key; "latest" is the newest that is to be there.
// Another check of the same backup that runs already is followed instead.
func (c *Controller) Verify(ctx context.Context, id string) (backup.Verdict, error) {
	var backupID backup.ID
	var err error
	if id == Latest {
		backupID, err = c.latestKnown(ctx)
	} else {
		backupID, err = c.Resolve(ctx, id)
	}
	if err != nil {
		return backup.Verdict{}, err
	}
	if err := c.ready(ctx); err != nil {
		return backup.Verdict{}, err
	}
	verdict, err := follow(ctx, c, flow.Verify, flow.VerifyWorkflowID(c.instance, backupID), "the verification",
		flow.VerifyInput{Instance: c.instance, BackupID: backupID})
	if err == nil {
		err = subject.About(backupID, verdict.BackupID)
	}
	return verdict, err
}

// VerifyAll checks everything that the instance has on the share, without a key.
// Another audit that runs already is followed instead.
func (c *Controller) VerifyAll(ctx context.Context) (backup.Audit, error) {
	if err := c.ready(ctx); err != nil {
		return backup.Audit{}, err
	}
	return follow(ctx, c, flow.VerifyAll, flow.VerifyAllWorkflowID(c.instance), "the audit", flow.AuditInput{Instance: c.instance})
}

// Delete removes one finished backup from the share.
func (c *Controller) Delete(ctx context.Context, id, requestedBy string) (backup.Overview, error) {
	backupID, err := c.Resolve(ctx, id)
	if err != nil {
		return backup.Overview{}, err
	}
	now, err := c.Summary(ctx)
	if err != nil {
		return backup.Overview{}, err
	}
	overview, err := follow(ctx, c, flow.Delete, flow.DeleteWorkflowID(c.instance, backupID), "the deletion", flow.DeleteInput{
		Instance: c.instance, BackupID: backupID, RequestedBy: requestedBy, Seen: flow.Seen{Revision: now.Revision, Ledger: now.Ledger},
	})
	if err == nil {
		err = subject.About(backupID, overview.BackupID)
	}
	return overview, err
}

// look starts a workflow that looks at something for this one caller, and waits for its result.
func look[In, Out any](ctx context.Context, c *Controller, w flow.Workflow[In, Out], id func(instance, request string) string, what string, in In) (out Out, err error) {
	if err := c.ready(ctx); err != nil {
		return out, err
	}
	request, err := unique()
	if err != nil {
		return out, err
	}
	return followFor(ctx, c, w, id(c.instance, request), what, in, longestLook)
}

// longestLook is when a look ends at the latest, also where no worker takes it up: its caller has
// gone long before.
const longestLook = 15 * time.Minute

func unique() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("draw a request id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
