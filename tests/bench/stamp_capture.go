package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"infrabackup/activities"
	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect/controlplane"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/flow"
	"infrabackup/internal/privsep"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/spool"
	"infrabackup/internal/telemetry"
)

// servicesAtOnce is how many services a backup works on at the same time.
const servicesAtOnce = 2

// captureTask is the product's capture of services of a stamp.
type captureTask struct {
	Source   source
	Services []backup.Service
	Spool    string
	Worker   string // the product's program, whose children encrypt
}

// run captures by the activities that a backup runs: source, tar, zstd, age in a process
// of its own for each file, spool. It is done without a Temporal server.
func (c captureTask) run(ctx context.Context) (one cost, err error) {
	client, err := azure.New(azure.Config{
		TenantURL: c.Source.TenantURL, AdminURL: c.Source.AdminURL, Authority: c.Source.Authority, ClientID: c.Source.ClientID,
		ClientSecret: secret.New(c.Source.ClientSecret), CACertificates: []byte(c.Source.CA), Resolver: c.Source.Resolver,
	})
	if err != nil {
		return one, err
	}
	defer client.Close()
	line, err := codec.GenerateKeyLine("bench", rand.Reader)
	if err != nil {
		return one, err
	}
	ring, err := codec.ParseKeyring([]byte(line))
	if err != nil {
		return one, err
	}
	spooled, err := spool.Open(c.Spool)
	if err != nil {
		return one, err
	}
	defer func() { err = errors.Join(err, spooled.Close()) }()
	in, err := newBackup(ring)
	if err != nil {
		return one, err
	}
	acts := activities.New(activities.Dependencies{
		Host: "bench", Product: "bench", Collectors: controlplane.Collectors(client, resource.Options{Now: time.Now}),
		Spool: spooled, Keyring: ring, Encrypter: privsep.NewEncrypter(c.Worker), Recorder: telemetry.Discard(), Now: time.Now,
	})
	defer func() { err = errors.Join(err, acts.Close()) }()
	return captureAll(ctx, acts, in, c.Services)
}

// newBackup is the input of captures for a backup of which nothing is kept.
func newBackup(ring *codec.Keyring) (flow.CollectInput, error) {
	id, err := backup.NewID(rand.Reader)
	if err != nil {
		return flow.CollectInput{}, err
	}
	key, err := seal.NewBackupKey()
	if err != nil {
		return flow.CollectInput{}, err
	}
	return flow.CollectInput{BackupID: id, Recipient: key.Recipient(), WorkKeyID: ring.Active()}, nil
}

// captureAll captures the services as a backup does, and measures that.
func captureAll(ctx context.Context, acts *activities.Activities, in flow.CollectInput, services []backup.Service) (one cost, err error) {
	worker.SetBinaryChecksum("bench") // else the SDK reads the whole program first
	var mu sync.Mutex
	group, _ := errgroup.WithContext(ctx)
	group.SetLimit(servicesAtOnce)
	began := time.Now()
	for _, service := range services {
		group.Go(func() error {
			in := in
			in.Service = service
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
			env := suite.NewTestActivityEnvironment()
			acts.Register(env)
			result, err := env.ExecuteActivity(flow.Collect(service).Name, in)
			if err != nil {
				return err
			}
			var out flow.CollectOutput
			if err := result.Get(&out); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			one.Items += out.Result.Items
			one.Bytes += out.Part.Size
			return nil
		})
	}
	err = group.Wait()
	one.Wall = time.Since(began)
	return one, err
}
