package control

import (
	"context"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/settings"
)

// Diagnose lets every worker check what it depends on, and one of them the share, and
// adds whether each service that a backup has to contain is captured by one of them.
func (c *Controller) Diagnose(ctx context.Context, trial diagnosis.ShareTrial) (diagnosis.Report, error) {
	report, err := c.ask(ctx, flow.DiagnoseInput{Instance: c.instance, Share: trial >= diagnosis.ShareTried, Thorough: trial >= diagnosis.ShareTriedThoroughly})
	if err != nil {
		return report, err
	}
	summary, err := c.Summary(ctx)
	switch {
	case fault.CodeOf(err) == fault.NotEnabled, SettingsSetBack(err):
		return report, nil // which the worker's report says
	case err != nil:
		return report, err
	}
	report.Checks = append(report.Checks, report.CheckServices(summary.Services)...)
	return report, nil
}

// ask runs a diagnosis on all workers that Temporal knows.
func (c *Controller) ask(ctx context.Context, in flow.DiagnoseInput) (diagnosis.Report, error) {
	if err := c.ready(ctx); err != nil {
		return diagnosis.Report{}, err
	}
	var err error
	if in.Hosts, err = c.hosts(ctx); err != nil {
		return diagnosis.Report{}, err
	}
	request, err := unique()
	if err != nil {
		return diagnosis.Report{}, err
	}
	return follow(ctx, c, flow.Diagnose, flow.DiagnoseWorkflowID(c.instance, request), "the diagnosis", in)
}

// hosts returns the hosts of the workers that polled the instance's queue in the last
// minutes, sorted. More than [flow.MaxWorkers] are refused with LIMIT_EXCEEDED: whoever
// is left out would be missing in what is said of all.
func (c *Controller) hosts(ctx context.Context) ([]string, error) {
	bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
	defer cancel()
	queue, err := c.client.DescribeTaskQueue(bounded, flow.Queue(c.instance), enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return nil, c.fault(err)
	}
	var hosts []string
	for _, poller := range queue.GetPollers() {
		if host, ok := flow.HostOf(poller.GetIdentity()); ok && host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	if len(hosts) > flow.MaxWorkers {
		return nil, fault.Newf(fault.LimitExceeded, "%d hosts poll the queue of instance %s as its workers, and at most %d can be asked; the first is %s",
			len(hosts), c.instance, flow.MaxWorkers, hosts[0])
	}
	return hosts, nil
}

// Sources returns the services that the workers have sources for, in the usual order, as
// the workers themselves say. NO_WORKER when one of them does not answer: what only it
// captures would be left out for good, and nobody told.
func (c *Controller) Sources(ctx context.Context) ([]backup.Service, error) {
	report, err := c.ask(ctx, flow.DiagnoseInput{Instance: c.instance, Brief: true})
	if err != nil {
		return nil, err
	}
	for _, w := range report.Workers {
		if !w.Answered() {
			f := fault.Newf(fault.NoWorker, "the worker on %s polls, and does not report which sources it has", w.Host)
			f.Advice = "Start it again, or wait for some minutes if it was stopped for good; or set yourself which services a backup has to contain."
			return nil, f
		}
	}
	var services []backup.Service
	for _, service := range backup.Services() {
		if len(report.HostsWith(service)) > 0 {
			services = append(services, service)
		}
	}
	return services, nil
}

// Missing returns those services that a backup has to contain and that no worker has a
// source for, as far as Temporal knows; none where nobody has said what it has to contain.
func (c *Controller) Missing(ctx context.Context) ([]backup.Service, error) {
	summary, err := c.Summary(ctx)
	if err != nil {
		return nil, err
	}
	var missing []backup.Service
	for _, service := range summary.Services {
		bounded, cancel := context.WithTimeout(ctx, c.responseTimeout)
		queue, err := c.client.DescribeTaskQueue(bounded, flow.SourceQueue(c.instance, service), enumspb.TASK_QUEUE_TYPE_ACTIVITY)
		cancel()
		if err != nil {
			return nil, c.fault(err)
		}
		if len(queue.GetPollers()) == 0 {
			missing = append(missing, service)
		}
	}
	return missing, nil
}

// ChangeServices changes what a backup has to contain; the services are put in the usual
// order. SETTINGS_INVALID for one that does not exist.
func (c *Controller) ChangeServices(ctx context.Context, services []backup.Service, requestedBy string) (settings.Summary, error) {
	return c.apply(ctx, flow.ChangeServices, "the change of the services", settings.Change{
		Kind: settings.KindServices, By: requestedBy, Services: inOrder(services),
	})
}

// inOrder sorts services as they are usually listed.
func inOrder(services []backup.Service) []backup.Service {
	services = slices.Clone(services)
	slices.SortStableFunc(services, func(a, b backup.Service) int { return a.Order() - b.Order() })
	return services
}
