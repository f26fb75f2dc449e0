package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/repository"
)

// minRetention is how long a namespace should keep closed runs: so long the Web UI and
// the list of failed backups show them.
const minRetention = 30 * 24 * time.Hour

// diagnoseHost checks what is this host's own: its name, which no other worker may have.
func (a *Activities) diagnoseHost(ctx context.Context) []diagnosis.Check {
	if a.Twin == nil {
		return nil
	}
	twin, err := a.Twin(ctx)
	if err == nil && twin != "" {
		err = fault.Newf(fault.ConfigInvalid, "another worker, %s, has the host name %s too: each may be asked for what only the other one has in its spool", twin, a.Host)
	}
	return []diagnosis.Check{checked("host", a.Host+" is this worker's alone", err)}
}

// diagnoseRetention tells of a namespace that forgets soon. Backups do not need what it
// forgets, so that this is no failure.
func (a *Activities) diagnoseRetention(ctx context.Context) diagnosis.Check {
	check := diagnosis.Check{Name: "Temporal", OK: true, Message: "answers"}
	described, err := a.Client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: a.Namespace})
	if err != nil {
		return check // a worker may work in a namespace that it may not describe
	}
	kept := described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
	check.Message = fmt.Sprintf("keeps closed runs for %d hours", int(kept.Hours()))
	if kept < minRetention {
		check.Message += fmt.Sprintf("; %d are recommended, because failed backups are not listed for longer (temporal operator namespace update --retention 30d)", int(minRetention.Hours()))
	}
	return check
}

// diagnoseSpool compares the free space of the spool with the size of the newest backup,
// which it has to take as a whole when the share does not answer.
func (a *Activities) diagnoseSpool(ctx context.Context, repo *repository.Repository) diagnosis.Check {
	const name = "spool space"
	free, err := a.Spool.Free()
	if err != nil {
		return checked(name, "", err)
	}
	listing, err := repo.List(ctx, 1)
	if err != nil {
		return checked(name, "", err)
	}
	if len(listing.Backups) == 0 {
		return checked(name, fmt.Sprintf("%d MiB are free in %s; plan for one backup", free>>20, a.Spool), nil)
	}
	want := listing.Backups[0].TotalBytes / 10 * 11
	if free < want {
		err = fault.Newf(fault.SpoolFull, "%s has %d MiB free, and a backup is expected to need %d MiB", a.Spool, free>>20, want>>20)
	}
	return checked(name, fmt.Sprintf("%d MiB are free, and a backup is expected to need %d MiB", free>>20, want>>20), err)
}
