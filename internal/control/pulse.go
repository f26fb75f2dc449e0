package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"infrabackup/internal/flow"
)

// Pulse is different after something was done to an instance: its settings, its schedule or what
// upkeep remembers were changed, or an operation has begun or ended, by whomever. Two of them are
// compared, and nothing else.
type Pulse struct {
	settings   string // the run of the settings workflow, and how far its history is
	operations string // the runs of operations that go on
}

// maxPulse bounds the operations that are looked at, the newest first: an instance has a handful
// at a time, and others can start more.
const maxPulse = 100

// working are the workflows whose begin and end a pulse shows: those that do something, and not
// those that only read, which readers of the pulse start themselves.
var working = func() string {
	names := []string{flow.Delete.Name, flow.VerifyAll.Name, flow.Rewrap.Name, flow.Reencrypt.Name, flow.Upkeep.Name}
	for name := range readers {
		names = append(names, name)
	}
	slices.Sort(names)
	return `"` + strings.Join(names, `", "`) + `"`
}()

// Pulse looks whether something was done. It asks Temporal alone, twice, and costs no worker
// anything, so it can be taken every few seconds.
func (c *Controller) Pulse(ctx context.Context) (Pulse, error) {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	var out Pulse
	d, err := c.client.DescribeWorkflowExecution(bounded, flow.SettingsWorkflowID(c.instance), "")
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing): // not enabled
	case err != nil:
		return Pulse{}, c.fault(err)
	default:
		info := d.GetWorkflowExecutionInfo()
		out.settings = fmt.Sprintf("%s %s %d", info.GetExecution().GetRunId(), info.GetStatus(), info.GetHistoryLength())
	}
	answer, err := c.client.ListWorkflow(bounded, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace, PageSize: maxPulse,
		Query: fmt.Sprintf(`TaskQueue = %q AND ExecutionStatus = "Running" AND WorkflowType IN (%s)`, flow.Queue(c.instance), working),
	})
	if err != nil {
		return Pulse{}, c.fault(err)
	}
	var runs []string
	for _, info := range answer.GetExecutions() {
		runs = append(runs, info.GetExecution().GetRunId())
	}
	slices.Sort(runs)
	out.operations = strings.Join(runs, " ")
	return out, nil
}
