package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"infrabackup/tests/lab/cluster"
)

// ClusterOnPostgres is the value of [Options.Cluster] for a Temporal cluster on PostgreSQL.
const ClusterOnPostgres = "postgres"

// StartCluster starts a Temporal cluster on PostgreSQL in a folder of its own, which any user of
// the system may enter, and makes it reachable at an address, 127.0.0.1 when empty.
func StartCluster(ctx context.Context, dir, address string) (*cluster.Cluster, error) {
	return startCluster(ctx, dir, address, 0)
}

func startCluster(ctx context.Context, dir, address string, port int) (*cluster.Cluster, error) {
	temporal, err := temporalBinary()
	if err != nil {
		return nil, fmt.Errorf("the temporal program is missing: go install %s", temporalModule)
	}
	for _, sub := range []string{"run", "log"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	return cluster.Start(ctx, cluster.Options{
		Dir: dir, Address: address, Port: port, Temporal: temporal,
		Daemon: func(name, command string, ready func(context.Context) error) (cluster.Daemon, error) {
			d, err := newDaemon(dir, name, command, ready)
			return clusterDaemon{d}, err
		},
	})
}

// clusterDaemon is a daemon for package cluster.
type clusterDaemon struct{ *daemon }

// Start implements cluster.Daemon.
func (d clusterDaemon) Start(ctx context.Context) error { return d.start(ctx) }

// Stop implements cluster.Daemon.
func (d clusterDaemon) Stop(ctx context.Context, sig syscall.Signal) error { return d.stop(ctx, sig) }

// Process implements cluster.Daemon.
func (d clusterDaemon) Process() (int, bool) { return d.running() }

// clusterDaemons are the files of a cluster's processes, without their endings, by which what an
// earlier lab left is stopped: the server before what it needs.
var clusterDaemons = []string{"cluster/run/temporal", "cluster/run/postgres", "cluster/run/keys"}

// clusterMissing tells what a lab with a cluster lacks.
func clusterMissing() []Problem {
	var problems []Problem
	for _, p := range cluster.Missing() {
		problems = append(problems, Problem(p))
	}
	return problems
}

// MissingFor tells what keeps a lab of this kind from running here; nothing when it can.
func MissingFor(o Options) []Problem {
	problems := Missing()
	switch o.Cluster {
	case "":
	case ClusterOnPostgres:
		problems = append(problems, clusterMissing()...)
	default:
		problems = append(problems, Problem{fmt.Sprintf("the kind of cluster %q", o.Cluster), "there is " + ClusterOnPostgres + ", and none for temporal server start-dev"})
	}
	return problems
}

// startTemporal starts the server of the kind that the options say.
func (l *Lab) startTemporal(ctx context.Context) (err error) {
	if l.options.Cluster != "" {
		port := 0
		if l.options.Fixed {
			port = l.temporalPort
		}
		if l.cluster, err = startCluster(ctx, filepath.Join(l.dir, "cluster"), "", port); err != nil {
			return err
		}
		l.clusterEnv, err = l.cluster.Env(l.cluster.Identity(cluster.Operator))
		return err
	}
	if l.temporal, err = newTemporal(l, l.options.Codec); err != nil {
		return err
	}
	return l.temporal.start(ctx)
}

// temporalEnv are the variables that tell how to reach Temporal as an operator.
func (l *Lab) temporalEnv() map[string]string {
	if l.cluster != nil {
		return l.clusterEnv
	}
	return map[string]string{
		"TEMPORAL_ADDRESS": fmt.Sprintf("127.0.0.1:%d", l.temporalPort),
		"LAB_UI_URL":       fmt.Sprintf("http://127.0.0.1:%d", l.uiPort),
		"LAB_TEMPORAL_DB":  l.temporalDB(),
	}
}

// temporalSection is the section "temporal" of the configuration of worker and provider.
func (l *Lab) temporalSection() string {
	if l.cluster != nil {
		return l.cluster.Section(l.cluster.Identity(cluster.Worker))
	}
	return fmt.Sprintf("temporal: {address: 127.0.0.1:%d, namespace: default}\n", l.temporalPort)
}
