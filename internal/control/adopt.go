package control

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// adoptable bounds how many runs of the settings workflow are looked at.
const adoptable = 20

// AdoptSettings lets an instance go on with its settings after their workflow was ended or
// reset, or after they were set back. It looks for the newest settings that Temporal still
// has, in runs that have ended too, lets a new run go on with them, and has a worker
// compare them with what the share tells of. With older, it goes on also when the share
// tells of newer ones than there are; else that is SETTINGS_ROLLED_BACK, and nothing has
// changed in the settings. SETTINGS_GONE when Temporal has none any more.
//
// It may be repeated, also after it was interrupted.
func (c *Controller) AdoptSettings(ctx context.Context, older bool, requestedBy string) (flow.AdoptSettingsOutput, error) {
	if err := c.ready(ctx); err != nil {
		return flow.AdoptSettingsOutput{}, err
	}
	if err := c.goOn(ctx, requestedBy); err != nil {
		return flow.AdoptSettingsOutput{}, err
	}
	id := flow.ChangeSettingsWorkflowID(c.instance)
	run, err := flow.AdoptSettings.Start(ctx, c.client, c.options(id), flow.AdoptSettingsInput{
		Instance: c.instance, RequestedBy: requestedBy, Older: older,
	})
	if err != nil {
		return flow.AdoptSettingsOutput{}, c.running(ctx, err, fault.ChangeRunning, "a change of settings", id)
	}
	out, err := result(ctx, c, run, watchedRun{
		id: id, runID: run.GetRunID(), kind: flow.AdoptSettings.Name, what: "taking the settings over", see: "infrabackup settings history",
	})
	if err != nil {
		return out, err
	}
	return out, c.inForce(out.Settings)
}

// settingsRun is a run of the settings workflow with what it holds.
type settingsRun struct {
	runID string
	state flow.SettingsState
}

// newer reports whether a run is further than another one.
func (r settingsRun) newer(other settingsRun) bool {
	far := func(s flow.SettingsState) [3]int64 {
		heads := int64(0)
		for _, l := range s.Ledgers {
			heads += l.Head.Sequence
		}
		return [3]int64{s.Last, s.History.Dropped + int64(len(s.History.Records)), heads}
	}
	a, b := far(r.state), far(other.state)
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return false
}

// goOn makes sure that the newest settings that Temporal has are those of a workflow that
// runs. When it dies between the end of one run and the start of the next, the settings
// are there still, in a run that has ended.
func (c *Controller) goOn(ctx context.Context, requestedBy string) error {
	id := flow.SettingsWorkflowID(c.instance)
	d, err := c.client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return c.entityFault(ctx, err)
	}
	info := d.GetWorkflowExecutionInfo()
	now := info.GetExecution().GetRunId()
	var current, newest settingsRun
	runs, err := c.settingsRuns(ctx, now)
	if err != nil {
		return err
	}
	var failed error
	for _, runID := range runs {
		r, err := c.settingsOf(ctx, runID)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if runID == now {
			current = r
		}
		if newest.runID == "" || r.newer(newest) {
			newest = r
		}
	}
	switch {
	case newest.runID == "":
		return errors.Join(fault.Newf(fault.SettingsGone, "no run of the settings workflow of instance %s can be read", c.instance), failed)
	case isRunning(info) && (newest.runID == now || !newest.newer(current)):
		return nil
	case isRunning(info):
		reason := fmt.Sprintf("run %s has newer settings, taken over by %s", newest.runID, requestedBy)
		if err := c.client.TerminateWorkflow(ctx, id, now, reason); err != nil {
			return c.fault(err)
		}
	}
	newest.state.Reset = false
	options := c.options(id)
	_, err = flow.Settings.Start(ctx, c.client, options, newest.state)
	return c.fault(err)
}

// maxPages bounds among how many runs the settings' own are looked for: strangers can
// start others under the same ID.
const maxPages = 20

// settingsRuns returns the runs of the settings workflow that Temporal remembers, the
// newest first.
func (c *Controller) settingsRuns(ctx context.Context, newest string) ([]string, error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace, PageSize: 100, Query: fmt.Sprintf("WorkflowId = %q", flow.SettingsWorkflowID(c.instance)),
	}
	runs := []string{newest}
	for range maxPages {
		answer, err := c.client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, c.fault(err)
		}
		for _, info := range answer.GetExecutions() {
			runID := info.GetExecution().GetRunId()
			gone := info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW // it handed everything over
			if runID != newest && !gone && c.ours(flow.Settings.Name, info.GetType().GetName(), info.GetTaskQueue(), "", runID) == nil {
				runs = append(runs, runID)
			}
			if len(runs) > adoptable {
				return runs, nil
			}
		}
		if request.NextPageToken = answer.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	return runs, nil
}

// settingsOf reads all that a run holds, whether it has ended or not, and makes sure that
// it is this instance's.
func (c *Controller) settingsOf(ctx context.Context, runID string) (settingsRun, error) {
	state, err := answered(ctx, c, func(ctx context.Context) (flow.SettingsState, error) {
		return flow.GetState.AskRun(ctx, c.client, flow.SettingsWorkflowID(c.instance), runID, struct{}{})
	})
	if err != nil {
		return settingsRun{}, c.fault(err)
	}
	if state.Instance != c.instance || state.Active == 0 {
		return settingsRun{}, fault.Newf(fault.AnswerRefused, "run %s holds no settings that were in force for instance %s", runID, c.instance)
	}
	for _, s := range state.Revisions {
		if s.Revision != state.Active {
			continue
		}
		return settingsRun{runID, state}, s.Check(c.instance)
	}
	return settingsRun{}, fault.Newf(fault.AnswerRefused, "run %s lacks the settings that are in force", runID)
}
