package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/worker"

	"infrabackup/internal/build"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/telemetry"
)

// memoryLimit is what the Go runtime tries to stay below, so that the process
// stays below 256 MiB: what the runtime does not count (stacks of C, the binary's
// own pages) fits between.
const memoryLimit = 200 << 20

const (
	// maxInstances bounds the instances of one process. Each polls some dozen task queues.
	maxInstances = 128
	// memoryOfAnother is what an instance adds to the limit of memory of the first one: it rests mostly, which
	// takes half a MiB.
	memoryOfAnother = 16 << 20
	// cachedOfAnother is what it adds to the workflows that are kept in memory between their steps.
	cachedOfAnother = 8
)

// configurations are the files that arguments name: themselves, or, of a folder, its files that end in
// .yaml. Several says that they are for a fleet, also where the folder holds one only.
func configurations(arguments []string) (files []string, several bool, err error) {
	for _, name := range arguments {
		info, err := os.Stat(name)
		if err != nil || !info.IsDir() { // what cannot be read is told when it is loaded
			files = append(files, name)
			continue
		}
		several = true
		before := len(files)
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, false, fault.New(fault.ConfigInvalid, "the folder "+name+" cannot be read", err)
		}
		for _, e := range entries { // those with a dot in front are what editors leave
			if strings.HasSuffix(e.Name(), ".yaml") && !strings.HasPrefix(e.Name(), ".") {
				files = append(files, filepath.Join(name, e.Name()))
			}
		}
		if len(files) == before {
			return nil, false, fault.Newf(fault.ConfigInvalid, "the folder %s holds no configuration: its files have to end in .yaml", name)
		}
	}
	if len(files) > maxInstances {
		return nil, false, fault.Newf(fault.ConfigInvalid, "%d configurations are for more than one process, which serves %d instances at most", len(files), maxInstances)
	}
	for i, file := range files {
		if slices.Contains(files[:i], file) {
			return nil, false, fault.Usagef("the configuration %s is named twice", file)
		}
	}
	return files, several || len(files) > 1, nil
}

// ownTemporal hides the TEMPORAL_… variables from instances that share a process: what one file leaves
// out, an API key at last, is not what another one means.
func ownTemporal(lookup func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if strings.HasPrefix(name, "TEMPORAL_") {
			return "", false
		}
		return lookup(name)
	}
}

// claims are what belongs to one configuration at a time: instances and spool folders.
type claims struct {
	mu    sync.Mutex
	files map[string][]string // what each file has
}

// take gives a file what its configuration names, in the place of what it had, unless another file has
// it: CONFIG_INVALID then.
func (c *claims) take(w *config.Worker, file string) error {
	wanted := []string{"instance " + w.Instance.Name, "spool folder " + w.Spool.Dir}
	c.mu.Lock()
	defer c.mu.Unlock()
	for other, has := range c.files {
		for _, what := range wanted {
			if other != file && slices.Contains(has, what) {
				return fault.Newf(fault.ConfigInvalid, "%s has the %s, which %s has as well", file, what, other)
			}
		}
	}
	if c.files == nil {
		c.files = map[string][]string{}
	}
	c.files[file] = wanted
	return nil
}

// fleet serves several instances, each as a process of its own would. One that cannot be served, also
// because its configuration is wrong, keeps no other from it: it is tried again, from its file on.
type fleet struct {
	logger *slog.Logger
	count  int // instances
	// serve serves the instance of a file until ctx ends or that fails; it calls ready when it polls.
	serve  func(ctx context.Context, file string, ready func()) error
	again  func(failures int) time.Duration
	ready  func() // tells the service manager, once
	giveUp context.CancelFunc

	mu    sync.Mutex
	known map[string]error // by file: nil when it was ready, else its newest error
	told  bool
	late  *time.Timer // tells when the rest is waited for no longer
}

// serveAll serves the instances of some configurations until ctx ends. It ends by itself only where none
// of them can be served before it is configured otherwise, with the error of the first.
func serveAll(ctx context.Context, p process, files []string) (err error) {
	logger, owners := p.fleetLogger(files), &claims{}
	host, err := os.Hostname()
	if err != nil {
		host = "" // it only describes
	}
	measured, err := telemetry.Start(ctx, telemetry.Options{ServiceName: product, Version: build.Version(), Host: host, Logger: logger, Lookup: p.lookup})
	if err != nil {
		return err
	}
	defer measured.Flush(logger)
	p.room(len(files))
	p.shared = true
	notify := p
	p.lookup = ownTemporal(p.lookup)
	for _, file := range files { // in their order, so that it is the same each time which of two is served
		if c, err := config.Load(file, nil); err == nil {
			_ = owners.take(c, file) // told when it is served
		}
	}
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	f := &fleet{logger: logger, count: len(files), again: p.again, giveUp: giveUp, known: map[string]error{},
		ready: func() { tell(notify, "READY=1", logger) },
		serve: func(ctx context.Context, file string, ready func()) error {
			c, err := config.Load(file, nil)
			if err != nil {
				return err
			}
			if err := owners.take(c, file); err != nil {
				return err
			}
			return serve(ctx, p, c, telemetry.NewLogger(p.stderr, c.Log.Format, c.Log.Level), measured.Of(c.Instance.Name), ready)
		},
	}
	return f.run(ctx, files)
}

// fleetLogger logs what is of no instance, as the first configuration that can be read logs.
func (p process) fleetLogger(files []string) *slog.Logger {
	for _, file := range files {
		if c, err := config.Load(file, nil); err == nil {
			return telemetry.NewLogger(p.stderr, c.Log.Format, c.Log.Level)
		}
	}
	return telemetry.NewLogger(p.stderr, "", "")
}

// run keeps all instances served.
func (f *fleet) run(ctx context.Context, files []string) error {
	ends := make([]error, len(files))
	var all sync.WaitGroup
	for i, file := range files {
		all.Go(func() { ends[i] = f.keep(ctx, file) })
	}
	all.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.late != nil {
		f.late.Stop()
	}
	if f.hopeless() {
		return f.known[files[0]]
	}
	return errors.Join(ends...)
}

// keep serves an instance, and serves it again when that has failed. It returns what went wrong when it
// ended on request.
func (f *fleet) keep(ctx context.Context, file string) error {
	for failures := 0; ; {
		err := f.serve(ctx, file, func() {
			failures = 0
			f.tell(ctx, file, nil)
		})
		if ctx.Err() != nil {
			return f.ofServed(file, err)
		}
		if err == nil { // it ends on request only
			err = fault.Newf(fault.Internal, "the instance is not served any more")
		}
		failures++
		pause := f.again(failures)
		problem := fault.As(err)
		f.logger.Error("the instance cannot be served; the others are", "configuration", file, "code", problem.Code, "error", problem.Message(), "remedy", problem.Remedy(), "nextTry", pause)
		f.tell(ctx, file, err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// ofServed is what went wrong at the end of an instance that was served; what goes wrong with one that
// was about to be served follows from the end.
func (f *fleet) ofServed(file string, err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if before, ok := f.known[file]; ok && before == nil {
		return err
	}
	return nil
}

// tell notes what came of an instance. When that is known of all, or some time after the first was ready,
// the service manager is told that the process is ready.
func (f *fleet) tell(ctx context.Context, file string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if before, ok := f.known[file]; ok && before == nil {
		return // it was ready, and is tried again
	}
	f.known[file] = err
	if err == nil && f.late == nil {
		f.late = time.AfterFunc(startTimeout, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.tellReady(ctx)
		})
	}
	if len(f.known) < f.count {
		return
	}
	if f.hopeless() {
		f.giveUp()
		return
	}
	for _, err := range f.known {
		if err == nil {
			f.tellReady(ctx)
		}
	}
}

func (f *fleet) tellReady(ctx context.Context) {
	if !f.told && ctx.Err() == nil {
		f.told = true
		f.ready()
	}
}

// hopeless reports whether no instance was served, and trying again mends none.
func (f *fleet) hopeless() bool {
	if len(f.known) < f.count {
		return false
	}
	for _, err := range f.known {
		if err == nil || fault.CodeOf(err).Retryable() {
			return false
		}
	}
	return true
}

// Pauses before an instance is tried again, as those of the service manager for a whole process.
const (
	firstRetry   = 30 * time.Second
	longestRetry = 15 * time.Minute
)

// afterFailures is how long is waited after so many in a row.
func afterFailures(n int) time.Duration {
	pause := firstRetry
	for ; n > 1 && pause < longestRetry; n-- {
		pause *= 2
	}
	return min(pause, longestRetry)
}

// roomFor lets the process have what so many instances need, unless it was told how much that is.
func roomFor(instances int) {
	worker.SetStickyWorkflowCacheSize(maxCachedWorkflows + (instances-1)*cachedOfAnother)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit + int64(instances-1)*memoryOfAnother)
	}
}
