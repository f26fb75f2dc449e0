package operation

import (
	"fmt"
	"strings"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// Merge adds what a running activity reports of itself: how far it is, and why its last
// attempt failed. What belongs to no service is told as the step of the whole run.
func Merge(p *flow.Progress, pending flow.Pending, activity *workflowpb.PendingActivityInfo) {
	beat := pending.Heartbeat(activity)
	name := activity.GetActivityType().GetName()
	if service, ok := strings.CutPrefix(name, flow.Collect("").Name); ok && beat.Service == "" {
		beat.Service = backup.Service(service)
	}
	failure := pending.LastFailure(activity)
	for i := range p.Services {
		s := &p.Services[i]
		if s.Service != beat.Service {
			continue
		}
		if beat.Phase != "" {
			s.Phase, s.Bytes, s.TotalBytes = beat.Phase, beat.Bytes, beat.TotalBytes
			s.Items = max(s.Items, beat.Items)
		}
		if failure != nil {
			s.Code, s.Message = string(failure.Code), again(activity, failure)
		}
		return
	}
	if failure != nil {
		p.Step += ": " + again(activity, failure)
	}
}

// again says that a step is tried once more, and why.
func again(activity *workflowpb.PendingActivityInfo, failure *fault.Fault) string {
	return fmt.Sprintf("attempt %d of %s, after %s", activity.GetAttempt(), activity.GetActivityType().GetName(), failure)
}

// OverviewOf tells of a run that has no manifest: how far it came, and, once it has failed, why and
// when.
func OverviewOf(p flow.Progress, failure *fault.Fault, ended time.Time) backup.Overview {
	out := backup.Overview{BackupID: p.BackupID, Status: p.Status, StartedAt: p.StartedAt, Services: []backup.ServiceResult{}, Message: p.Step}
	if failure != nil {
		out.Status, out.FinishedAt = backup.Failed, ended
		out.Code, out.Message = string(failure.Code), failure.Message()
	}
	for _, s := range p.Services {
		one := s.Result()
		if failure != nil && !one.Status.Final() {
			one.Status = backup.Failed
		}
		out.Services = append(out.Services, one)
	}
	return out
}
