package control

import (
	"context"
	"fmt"

	"infrabackup/internal/control/subject"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

// own makes sure that a run is one that this product starts for the instance: whoever can
// write to the namespace can give any workflow any ID, and let a queue of its own answer.
func (c *Controller) own(ctx context.Context, of watchedRun) error {
	d, err := c.client.DescribeWorkflowExecution(ctx, of.id, of.runID)
	if err != nil {
		return c.fault(err)
	}
	info := d.GetWorkflowExecutionInfo()
	return c.ours(of.kind, info.GetType().GetName(), info.GetTaskQueue(), of.id, info.GetExecution().GetRunId())
}

func (c *Controller) ours(kind, name, queue, id, runID string) error {
	if name != kind {
		return fault.Newf(fault.AnswerRefused, "run %s of %s is a %.100s, not a %s", runID, id, name, kind)
	}
	return c.served(queue, id, runID)
}

// served makes sure that a run is for the workers of the instance.
func (c *Controller) served(queue, id, runID string) error {
	if queue != flow.Queue(c.instance) {
		return fault.Newf(fault.AnswerRefused, "run %s of %s is for the workers of queue %.100s, not of %s", runID, id, queue, flow.Queue(c.instance))
	}
	return nil
}

// entityFault gives an error of a message to the settings entity its code.
func (c *Controller) entityFault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if f := flow.EntityFault(ctx, c.client, c.instance, err); f != nil {
		return f
	}
	return c.fault(err)
}

// checkActive makes sure that a summary tells of settings of this instance that are active
// and were not set back.
func (c *Controller) checkActive(s settings.Summary) error {
	switch {
	case s.Reset:
		return fault.Newf(fault.SettingsReset, "the settings workflow of instance %s was reset to an earlier event", c.instance)
	case s.Revision == 0:
		return fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", c.instance)
	case s.Instance.Name != c.instance:
		return fault.Newf(fault.AnswerRefused, "the settings of instance %s were requested, and those of %.100q came", c.instance, s.Instance.Name)
	}
	return nil
}

// Standing asks a worker whether the share tells of newer settings than the active ones, or
// lacks the ledger that they know. The error has the code that says so, or says why the
// share could not be asked; see [SetBack].
func (c *Controller) Standing(ctx context.Context) error {
	request, err := unique()
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	report, err := follow(bounded, c, flow.Diagnose, flow.DiagnoseWorkflowID(c.instance, request), "the look at the settings",
		flow.DiagnoseInput{Instance: c.instance, Settings: true})
	if err != nil {
		return err
	}
	for _, check := range report.Checks {
		if code := fault.Code(check.Code); !check.OK && code.Known() {
			return fault.Newf(code, "%s", check.Message)
		}
	}
	return nil
}

// SetBack reports whether an error says that the settings, or the ledger on the share, are
// not as far as they were.
func SetBack(err error) bool {
	switch fault.CodeOf(err) {
	case fault.LedgerRolledBack, fault.LedgerDamaged:
		return true
	}
	return SettingsSetBack(err)
}

// SettingsSetBack reports whether an error says that the settings are not as far as they
// were.
func SettingsSetBack(err error) bool {
	switch fault.CodeOf(err) {
	case fault.SettingsReset, fault.SettingsRolledBack, fault.SettingsStopped, fault.SettingsGone:
		return true
	}
	return false
}

// runningBackup names the backup that a run makes, for people.
func (c *Controller) runningBackup(ctx context.Context, runID string) string {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout/looks)
	defer cancel()
	p, err := c.progressOf(bounded, runID)
	if err != nil || subject.Named(p.BackupID) != nil {
		return fmt.Sprintf("run %s", runID)
	}
	return fmt.Sprintf("backup %s, run %s", p.BackupID, runID)
}
