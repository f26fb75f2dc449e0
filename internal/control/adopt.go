package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// adoptable bounds how many runs of the settings workflow that can be read are compared.
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
	return out, c.checkActive(out.Settings)
}

// settingsRun is a run of the settings workflow with what it holds.
type settingsRun struct {
	runID      string
	controller string // whose settings are active in it
	state      flow.SettingsState
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
	var current settingsRun
	if isRunning(info) && c.ours(flow.Settings.Name, info.GetType().GetName(), info.GetTaskQueue(), id, now) == nil {
		// What runs is ended only for settings that are newer, so it has to say what it holds.
		if current, err = c.settingsOf(ctx, now); err != nil && !errors.Is(err, errNoneActive) {
			return err
		}
	}
	newest, err := c.newestSettings(ctx, current)
	switch {
	case err != nil:
		return err
	case current.runID != "" && !newest.newer(current):
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

// newestSettings returns the run that is furthest, of those that the same controller has
// written as current, or as the newest that can be read when current is none. Runs that
// cannot be read are passed over, and hide none. SETTINGS_GONE when there is none.
func (c *Controller) newestSettings(ctx context.Context, current settingsRun) (settingsRun, error) {
	runs, err := c.settingsRuns(ctx)
	if err != nil {
		return settingsRun{}, err
	}
	newest, read, unread := current, 0, 0
	var failed error // the first
	for _, runID := range runs {
		if runID == current.runID {
			continue
		}
		if read == adoptable || ctx.Err() != nil {
			break
		}
		r, err := c.settingsOf(ctx, runID)
		if err != nil {
			unread++
			failed = cmp.Or(failed, err)
			continue
		}
		read++
		if newest.runID == "" || r.controller == newest.controller && r.newer(newest) {
			newest = r
		}
	}
	if ctx.Err() != nil {
		return settingsRun{}, c.fault(ctx.Err())
	}
	if newest.runID == "" {
		return settingsRun{}, fault.New(fault.SettingsGone,
			fmt.Sprintf("no run of the settings workflow of instance %s can be read; %d were tried", c.instance, unread), failed)
	}
	return newest, nil
}

// maxPages bounds among how many runs the settings' own are looked for: strangers can
// start others under the same ID.
const maxPages = 20

// settingsRuns returns the runs of the settings workflow that Temporal remembers, the
// newest first, and behind them those that failed: the product's own end in other ways.
func (c *Controller) settingsRuns(ctx context.Context) ([]string, error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace, PageSize: 100, Query: fmt.Sprintf("WorkflowId = %q", flow.SettingsWorkflowID(c.instance)),
	}
	var runs, failed []string
	for range maxPages {
		answer, err := c.client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, c.fault(err)
		}
		for _, info := range answer.GetExecutions() {
			runID := info.GetExecution().GetRunId()
			switch status := info.GetStatus(); {
			case status == enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: // it handed everything over
			case c.ours(flow.Settings.Name, info.GetType().GetName(), info.GetTaskQueue(), "", runID) != nil:
			case status == enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
				failed = append(failed, runID)
			default:
				runs = append(runs, runID)
			}
		}
		if request.NextPageToken = answer.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	return append(runs, failed...), nil
}

// errNoneActive says that a run has answered, and that no settings were ever active in it.
var errNoneActive = errors.New("nothing was enabled there")

// settingsOf reads all that a run holds, whether it has ended or not, and makes sure that
// it is this instance's.
func (c *Controller) settingsOf(ctx context.Context, runID string) (settingsRun, error) {
	state, err := answered(ctx, c, func(ctx context.Context) (flow.SettingsState, error) {
		return flow.GetState.AskRun(ctx, c.client, flow.SettingsWorkflowID(c.instance), runID, struct{}{})
	})
	if err != nil {
		return settingsRun{}, c.fault(err)
	}
	if state.Instance != c.instance {
		return settingsRun{}, fault.Newf(fault.AnswerRefused, "run %s holds settings of an instance %.100q", runID, state.Instance)
	}
	if state.Active == 0 {
		return settingsRun{}, fault.New(fault.AnswerRefused, fmt.Sprintf("run %s holds no settings that were active", runID), errNoneActive)
	}
	for _, s := range state.Revisions {
		if s.Revision != state.Active {
			continue
		}
		return settingsRun{runID, s.Controller, state}, s.Check(c.instance)
	}
	return settingsRun{}, fault.Newf(fault.AnswerRefused, "run %s lacks the active settings", runID)
}
