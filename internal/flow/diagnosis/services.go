package diagnosis

import (
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// HostsWith returns the hosts whose worker has a source for a service.
func (o Report) HostsWith(service backup.Service) []string {
	var hosts []string
	for _, w := range append([]Report{o}, o.Workers...) {
		if slices.Contains(w.Services, service) {
			hosts = append(hosts, w.Host)
		}
	}
	return hosts
}

// CheckServices compares what a backup has to contain with what the workers have sources for.
func (o Report) CheckServices(required []backup.Service) []Check {
	var checks []Check
	for _, service := range backup.Services() {
		name, hosts := "service "+string(service), o.HostsWith(service)
		switch needed := slices.Contains(required, service); {
		case needed && len(hosts) == 0:
			checks = append(checks, Check{
				Name: name, Code: string(fault.SourceNotConfigured), Remedy: fault.SourceNotConfigured.Remedy(),
				Message: "a backup has to contain it, and no worker that answers has a source for it",
			})
		case needed:
			checks = append(checks, Check{Name: name, OK: true, Message: "is captured on " + strings.Join(hosts, ", ")})
		case len(hosts) > 0 && len(required) > 0:
			checks = append(checks, Check{
				Name: name, OK: true, Message: "is no part of a backup, though there is a source on " + strings.Join(hosts, ", ") + "; see `infrabackup settings services`",
			})
		}
	}
	return checks
}
