package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/worker"

	"infrabackup/internal/build"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/telemetry"
)

const (
	// maxInstances bounds the instances of one process. Each polls some dozen task queues.
	maxInstances = 128
	// memoryOfAnother is what an instance adds to the limit of memory of the first one.
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
		inside, err := filepath.Glob(filepath.Join(escaped(name), "*.yaml"))
		if err != nil {
			return nil, false, fault.New(fault.Internal, "list the configurations in "+name, err)
		}
		if len(inside) == 0 {
			return nil, false, fault.Newf(fault.ConfigInvalid, "the folder %s holds no configuration: its files have to end in .yaml", name)
		}
		files = append(files, inside...)
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

// escaped is a folder's name for a pattern, in which some characters mean something.
func escaped(name string) string {
	var out []rune
	for _, c := range name {
		switch c {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(out)
}

// fleet serves several instances, each as a process of its own would. One that cannot be served, also
// because its configuration is wrong, keeps no other from it: it is tried again, from its file on.
type fleet struct {
	process  process
	logger   *slog.Logger
	measured *telemetry.Telemetry
	giveUp   context.CancelFunc

	mu    sync.Mutex
	taken map[string]string // instances and spool folders that are served, with the file that names them
	known map[string]error  // by file, what came first of it: nil when it was ready
	count int
}

// serveAll serves the instances of some configurations until ctx ends. It ends by itself only when none
// of them could be served at all, with the first error.
func serveAll(ctx context.Context, p process, files []string) (err error) {
	logger := telemetry.NewLogger(p.stderr, "", "")
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
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	f := &fleet{process: p, logger: logger, measured: measured, giveUp: giveUp, taken: map[string]string{}, known: map[string]error{}, count: len(files)}
	ends := make([]error, len(files))
	var all sync.WaitGroup
	for i, file := range files {
		all.Go(func() { ends[i] = f.keep(ctx, file) })
	}
	all.Wait()
	return errors.Join(f.hopeless(files), errors.Join(ends...))
}

// keep serves an instance, and serves it again when that has failed. It returns what went wrong when it
// ended on request.
func (f *fleet) keep(ctx context.Context, file string) error {
	for failures := 0; ; {
		served := false
		err := f.serve(ctx, file, func() {
			served, failures = true, 0
			f.tell(file, nil)
		})
		if ctx.Err() != nil && served {
			return err
		}
		if ctx.Err() != nil || err == nil {
			return nil
		}
		failures++
		pause := f.process.again(failures)
		problem := fault.As(err)
		f.logger.Error("the instance cannot be served; the others are", "configuration", file, "code", problem.Code, "error", problem.Message(), "remedy", problem.Remedy(), "nextTry", pause)
		f.tell(file, err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// serve serves an instance once.
func (f *fleet) serve(ctx context.Context, file string, ready func()) error {
	c, err := config.Load(file, nil)
	if err != nil {
		return err
	}
	free, err := f.take(c, file)
	if err != nil {
		return err
	}
	defer free()
	return serve(ctx, f.process, c, telemetry.NewLogger(f.process.stderr, c.Log.Format, c.Log.Level), f.measured.Of(c.Instance.Name), ready)
}

// take makes sure that no two configurations are of one instance, or use one spool folder.
func (f *fleet) take(c *config.Worker, file string) (free func(), err error) {
	wanted := []string{"instance " + c.Instance.Name, "spool folder " + c.Spool.Dir}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, what := range wanted {
		if other, ok := f.taken[what]; ok {
			return nil, fault.Newf(fault.ConfigInvalid, "%s has the %s, which %s has as well", file, what, other)
		}
	}
	for _, what := range wanted {
		f.taken[what] = file
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, what := range wanted {
			delete(f.taken, what)
		}
	}, nil
}

// tell notes what came of an instance first. When that is known of all, the service manager is told
// that the process is ready, unless there is nothing that it serves.
func (f *fleet) tell(file string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, told := f.known[file]; told {
		return
	}
	f.known[file] = err
	if len(f.known) < f.count {
		return
	}
	for _, err := range f.known {
		if err == nil {
			tell(f.process, "READY=1", f.logger)
			return
		}
	}
	f.giveUp()
}

// hopeless is the error of the first configuration when none could be served.
func (f *fleet) hopeless(files []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) < f.count {
		return nil // it was asked to stop before
	}
	for _, err := range f.known {
		if err == nil {
			return nil
		}
	}
	return f.known[files[0]]
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
