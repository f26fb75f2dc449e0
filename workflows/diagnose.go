package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
)

// askWait is how long a worker that is asked by itself may take to take that up: one that
// died a moment ago is still known to Temporal.
const askWait = 15 * time.Second

// Diagnose lets one worker check its sources and, on request, the share, and then each
// other worker that is named, all at once. One that does not answer is part of the report.
func Diagnose(ctx workflow.Context, in flow.DiagnoseInput) (diagnosis.Report, error) {
	hosts := in.Hosts[:min(len(in.Hosts), flow.MaxWorkers)]
	in.Hosts = nil
	out, err := flow.DiagnoseHost.Run(shortRead(ctx, "check sources and share"), in)
	if err != nil {
		return out, err
	}
	in.Share = false
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(host string) bool { return host == out.Host })
	asked := make([]flow.Future[diagnosis.Report], len(hosts))
	for i, host := range hosts {
		on := workflow.WithTaskQueue(shortRead(ctx, "check the worker on "+host), flow.SpoolQueue(in.Instance, host))
		asked[i] = flow.DiagnoseHost.Start(workflow.WithScheduleToStartTimeout(on, askWait), in)
	}
	for i, host := range hosts {
		report, err := asked[i].Get(ctx)
		if err != nil && ctx.Err() != nil {
			return out, err
		}
		if err != nil {
			report = diagnosis.Unanswered(host, flow.DecodeFault(err))
		}
		out.Workers = append(out.Workers, report)
	}
	return out, nil
}
