package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/settings"
	"infrabackup/tests/tier"
)

// wantedServices are what the backups of these tests have to contain.
var wantedServices = []backup.Service{backup.AD, backup.CA}

// combinations returns every way in which n workers can have sources, but for their
// order.
func combinations(n int) [][][]backup.Service {
	subsets := [][]backup.Service{nil, {backup.AD}, {backup.CA}, {backup.AD, backup.CA}}
	var all [][][]backup.Service
	var add func(chosen [][]backup.Service, from int)
	add = func(chosen [][]backup.Service, from int) {
		if len(chosen) == n {
			all = append(all, slices.Clone(chosen))
			return
		}
		for i := from; i < len(subsets); i++ {
			add(append(chosen, subsets[i]), i)
		}
	}
	add(nil, 0)
	return all
}

// TestSourcesOnSeveralWorkers lets two and three workers have every combination of
// sources: what one of them has a source for is in the backup, wherever it is; what none
// has is named, before and after, and no backup that lacks something is Succeeded. The soak
// tries all thirty, otherwise a third is tried, from a start that a seed chooses.
func TestSourcesOnSeveralWorkers(t *testing.T) {
	t.Parallel()
	stride := tier.Size(1, 3, 1)
	first := firstOf(t, stride)
	for i, sources := range append(combinations(2), combinations(3)...) {
		if i%stride != first {
			continue
		}
		t.Run(fmt.Sprint(sources), func(t *testing.T) {
			t.Parallel()
			c := newIdleController(t)
			c.edit = func(s *settings.Settings) { s.Services = wantedServices }
			for i, services := range sources {
				var collectors []collect.Collector
				for _, service := range services {
					collectors = append(collectors, &items{service: service, records: 3})
				}
				host := fmt.Sprintf("host-%d", i)
				t.Cleanup(c.work(host, filepath.Join(t.TempDir(), host), collectors...))
			}
			c.enable()
			there := slices.Concat(sources...)
			var lacking []backup.Service
			for _, service := range wantedServices {
				if !slices.Contains(there, service) {
					lacking = append(lacking, service)
				}
			}
			c.requireDoctor(len(sources), lacking)

			id, run := c.beginWith(flow.BackupInput{SourceWait: 3 * time.Second})
			overview, err := run.Get(t.Context())
			if len(lacking) == len(wantedServices) {
				require.Equal(t, fault.BackupFailed, flow.DecodeFault(err).Code)
				return
			}
			require.NoError(t, err)
			require.Len(t, overview.Services, len(wantedServices))
			for i, service := range wantedServices {
				got := overview.Services[i]
				require.Equal(t, service, got.Service)
				if slices.Contains(lacking, service) {
					require.Equal(t, backup.Failed, got.Status)
					require.Equal(t, string(fault.NoWorker), got.Code)
					require.Contains(t, got.Message, string(service))
				} else {
					require.Equal(t, backup.Succeeded, got.Status, got.Message)
				}
			}
			require.Equal(t, len(lacking) == 0, overview.Status == backup.Succeeded)
			made, err := c.repo().Open(t.Context(), backup.Ref{ID: id})
			require.NoError(t, err)
			require.Equal(t, overview.Status, made.Manifest().Status)
			verdict, err := audit.Verify(t.Context(), c.repo(), id, audit.VerifyOptions{Identities: c.operator})
			require.NoError(t, err)
			require.Empty(t, verdict.Findings)
			require.EqualValues(t, 3*(len(wantedServices)-len(lacking)), verdict.Items)
		})
	}
}

// requireDoctor makes sure that every worker is asked, and each service that nobody can
// capture is named.
func (c *controller) requireDoctor(workers int, lacking []backup.Service) {
	c.t.Helper()
	var report diagnosis.Report
	require.Eventually(c.t, func() bool { // a worker that was just started is known a moment later
		var err error
		report, err = c.door().Diagnose(c.t.Context(), diagnosis.ShareUntried)
		if err != nil {
			return false
		}
		hosts := map[string]bool{report.Host: true}
		for _, other := range report.Workers {
			hosts[other.Host] = true
		}
		return len(hosts) == workers
	}, time.Minute, 100*time.Millisecond)
	var named []backup.Service
	for _, check := range report.Checks {
		if service, ok := strings.CutPrefix(check.Name, "service "); ok && !check.OK {
			require.Equal(c.t, string(fault.SourceNotConfigured), check.Code)
			named = append(named, backup.Service(service))
		}
	}
	require.Equal(c.t, lacking, named)
	require.Eventually(c.t, func() bool {
		missing, err := c.door().Missing(c.t.Context())
		return err == nil && slices.Equal(lacking, missing)
	}, time.Minute, 100*time.Millisecond)
}

// TestServicesAreASetting: what a backup has to contain is in the settings and their
// history, and not what a worker happens to have.
func TestServicesAreASetting(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 3}, &items{service: backup.CA, records: 3})
	c.enable()
	door := c.door()
	sources, err := door.Sources(t.Context())
	require.NoError(t, err)
	require.Equal(t, wantedServices, sources)
	_, run := c.begin()
	overview, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Len(t, overview.Services, 2, "settings of an earlier version: what the workers have")

	summary, err := door.ChangeServices(t.Context(), []backup.Service{backup.ARM, backup.AD}, "test")
	require.NoError(t, err)
	require.Equal(t, []backup.Service{backup.AD, backup.ARM}, summary.Services)
	history, err := door.History(t.Context())
	require.NoError(t, err)
	last := history.Records[len(history.Records)-1]
	require.Equal(t, settings.KindServices, last.Kind)
	require.Equal(t, "services: AD, ARM", last.What)
	missing, err := door.Missing(t.Context())
	require.NoError(t, err)
	require.Equal(t, []backup.Service{backup.ARM}, missing)
	_, run = c.beginWith(flow.BackupInput{SourceWait: time.Second})
	overview, err = run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, backup.PartialSucceeded, overview.Status)
	require.Len(t, overview.Services, 2)
	require.Equal(t, string(fault.NoWorker), overview.Services[1].Code)

	for _, wrong := range [][]backup.Service{{"DNS"}, {backup.AD, backup.AD}, {backup.ARM, backup.AD}} {
		_, err = door.ChangeServices(t.Context(), wrong, "test")
		require.Equal(t, fault.SettingsInvalid, fault.CodeOf(err), "%v", wrong)
	}
}

// TestManifestsCarryTheInstancesNames: the settings may hold the short name only; the
// workers know the others.
func TestManifestsCarryTheInstancesNames(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 1})
	c.edit = func(s *settings.Settings) { s.Instance = backup.Instance{Name: c.instance.Name} }
	c.enable()
	id, run := c.begin()
	_, err := run.Get(t.Context())
	require.NoError(t, err)
	made, err := c.repo().Open(t.Context(), backup.Ref{ID: id})
	require.NoError(t, err)
	require.Equal(t, c.instance, made.Manifest().Instance)
	require.NotEmpty(t, c.instance.DeploymentID)
}
