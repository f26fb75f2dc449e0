package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/sources"
	"infrabackup/internal/spool"
	"infrabackup/internal/telemetry"
	"infrabackup/internal/temporal"
)

// checkTimeout bounds the check of one source.
const checkTimeout = 30 * time.Second

// sourceCheck is what the check of a source found.
type sourceCheck struct {
	service backup.Service
	err     error
}

// checkSources checks all sources at once and returns when the last is done.
func checkSources(ctx context.Context, collectors []collect.Collector) []sourceCheck {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	checks := make([]sourceCheck, len(collectors))
	var all sync.WaitGroup
	for i, c := range collectors {
		all.Go(func() { checks[i] = sourceCheck{c.Service(), c.Check(ctx)} })
	}
	all.Wait()
	return checks
}

// log tells about a source at start. One that fails does not keep the worker from
// starting: the other services can be backed up, and doctor reports this one.
func (s sourceCheck) log(logger *slog.Logger) {
	if s.err == nil {
		logger.Info("the source can be read", "service", s.service)
		return
	}
	f := fault.As(s.err)
	logger.Error("the source cannot be captured", "service", s.service, "code", f.Code, "error", f.Message(), "remedy", f.Code.Remedy())
}

// checkAll is --check: it prints one line for each thing that the worker needs and
// returns the exit code of the first that fails.
func checkAll(ctx context.Context, p process, c *config.Worker, logger *slog.Logger) int {
	exit := fault.ExitOK
	report := func(name string, err error) {
		line := "ok    " + name
		if err != nil {
			f := fault.As(err)
			line = "FAIL  " + name + ": " + f.Line()
			if exit == fault.ExitOK {
				exit = exitStatus(f.Code)
			}
		}
		if _, err := fmt.Fprintln(p.stdout, printable.Text(line)); err != nil && exit == fault.ExitOK {
			exit = fault.ExitFailed
		}
	}
	report("configuration", nil) // it has been loaded
	ring, err := codec.LoadKeyring(c.Codec.KeyFile)
	report("codec keys", err)
	report("spool "+c.Spool.Dir, checkSpool(c.Spool.Dir))
	if ring != nil {
		report("Temporal", checkTemporal(ctx, p, c, ring, logger))
	}
	collectors, done, err := sources.Collectors(c.Sources)
	if err != nil {
		report("sources", err)
		return exit
	}
	defer done()
	for _, s := range checkSources(ctx, collectors) {
		report("source "+string(s.service), s.err)
	}
	if len(c.Targets) > 0 {
		_, err := c.LoadTargets()
		report("targets", err)
	}
	for _, name := range missingSources(c.Sources) {
		if _, err := fmt.Fprintln(p.stdout, "none  source "+name+": not configured here, so that this worker does not capture it"); err != nil && exit == fault.ExitOK {
			exit = fault.ExitFailed
		}
	}
	return exit
}

// checkEach is --check for several instances. It returns the exit code of the first that fails.
func checkEach(ctx context.Context, p process, files []string) int {
	exit, owners := fault.ExitOK, &claims{}
	p.lookup = ownTemporal(p.lookup)
	for _, file := range files {
		code := fault.ExitFailed
		if _, err := fmt.Fprintln(p.stdout, printable.Text(file)); err == nil {
			c, err := config.Load(file, nil)
			if err == nil {
				err = owners.take(c, file)
			}
			if err != nil {
				f := fault.As(err)
				code = exitStatus(f.Code)
				if _, err := fmt.Fprintln(p.stdout, printable.Text("FAIL  configuration: "+f.Line())); err != nil {
					code = fault.ExitFailed
				}
			} else {
				code = checkAll(ctx, p, c, telemetry.NewLogger(p.stderr, c.Log.Format, c.Log.Level))
			}
		}
		if exit == fault.ExitOK {
			exit = code
		}
	}
	return exit
}

// missingSources names the sources that the configuration leaves out.
func missingSources(s config.Sources) []string {
	var names []string
	if s.AD == nil {
		names = append(names, "ad")
	}
	if s.CA == nil {
		names = append(names, "ca")
	}
	if s.Azure == nil {
		names = append(names, "azure")
	}
	return names
}

// checkSpool changes nothing but for a moment: a folder that it made would belong to
// whoever checks, and not to the user whom the worker runs as.
func checkSpool(dir string) (err error) {
	if there, err := spool.Exists(dir); !there {
		return err
	}
	s, err := spool.Open(dir)
	if err != nil {
		return err
	}
	defer closing(&err, "close the spool", s.Close)
	return s.Check()
}

func checkTemporal(ctx context.Context, p process, c *config.Worker, ring *codec.Keyring, logger *slog.Logger) error {
	o, err := temporal.FromConfig(c.Temporal, p.lookup)
	if err != nil {
		return err
	}
	o.Codec, o.Logger = codec.New(ring), logger
	temporalClient, err := temporal.Dial(ctx, o)
	if err != nil {
		return err
	}
	temporalClient.Close()
	return nil
}
