package ca

import (
	"context"
	"path/filepath"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

const (
	// maxSurveys is how often the first pass is made until the CA holds still.
	maxSurveys = 4
	// surveyPause is the wait before the second pass; it doubles each time. One
	// run of `openssl ca` takes some milliseconds.
	surveyPause = 50 * time.Millisecond
)

// Config says what to capture.
type Config struct {
	// Dir is the CA's folder: the one that holds index.txt, or one above it.
	Dir string
	// Directory, when not nil, adds the objects of AD Certificate Services.
	Directory DirectoryReader
	// MaxBytes bounds what is captured: a CA whose own files have more fails with
	// LIMIT_EXCEEDED before it is read, and files that are not the CA's are left out
	// (gap [TooLarge]) when they would not fit, or have more than a quarter of it. 10 GB by
	// default, the size of a backup that the product is made for.
	MaxBytes int64
}

// Collector captures a CA folder. It implements [collect.Collector].
type Collector struct {
	config Config
	now    func() time.Time
	// pause waits between two passes; tests make the CA move in it.
	pause func(context.Context, time.Duration) error
}

var _ collect.Collector = (*Collector)(nil)

// New makes a collector. now is the clock that expiry is judged by. Errors are
// CONFIG_INVALID; the folder itself is looked at by Check and Collect.
func New(config Config, now func() time.Time) (*Collector, error) {
	if config.Dir == "" {
		return nil, fault.Newf(fault.ConfigInvalid, "CA source has no folder")
	}
	if now == nil {
		return nil, fault.Newf(fault.ConfigInvalid, "CA source has no clock")
	}
	if config.MaxBytes == 0 {
		config.MaxBytes = plannedBytes
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "CA folder "+config.Dir, err)
	}
	config.Dir = dir
	return &Collector{config: config, now: now, pause: pause}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return cancelled(ctx.Err())
	case <-timer.C:
		return nil
	}
}

// Service returns [backup.CA].
func (c *Collector) Service() backup.Service { return backup.CA }

// Check makes the first pass of a capture, which is SOURCE_CHANGING only when the
// CA never holds still: the folder is there, is a CA, and everything but the
// issued certificates themselves has been read.
func (c *Collector) Check(ctx context.Context) (err error) {
	f, err := openFolder(c.config.Dir)
	if err != nil {
		return err
	}
	defer closeInto(&err, f)
	_, err = c.survey(ctx, f, c.now().UTC())
	return err
}

// Collect implements [collect.Collector]. See the package's documentation for
// what fails and what is a gap.
func (c *Collector) Collect(ctx context.Context, sink collect.Sink) (result collect.Capture, err error) {
	start := c.now().UTC()
	f, err := openFolder(c.config.Dir)
	if err != nil {
		return collect.Capture{}, err
	}
	defer closeInto(&err, f)
	s, err := c.survey(ctx, f, start)
	if err != nil {
		return collect.Capture{}, err
	}
	run := capture{survey: s, sink: sink}
	if err := run.files(ctx); err != nil {
		return collect.Capture{}, err
	}
	if err := s.confirm(ctx); err != nil {
		return collect.Capture{}, err
	}
	objects, err := c.directory(ctx, sink)
	if err != nil {
		return collect.Capture{}, err
	}
	// Calls of the sink may have hidden that the time is over.
	if ctx.Err() != nil {
		return collect.Capture{}, cancelled(ctx.Err())
	}
	s.findings.report(sink)
	cursor := s.cursor()
	if c.config.Directory != nil {
		cursor["adcsObjects"] = decimal(objects)
	}
	return collect.Capture{Start: start, End: c.now().UTC(), Cursor: cursor}, nil
}

// survey makes the first pass until the CA's database is the same before and
// after it. Nothing has been handed to the sink yet, so it can start again.
func (c *Collector) survey(ctx context.Context, f *folder, now time.Time) (*survey, error) {
	wait := surveyPause
	for attempt := 1; ; attempt++ {
		s, err := newSurvey(ctx, f, now, c.config.MaxBytes)
		if err == nil {
			err = s.still(ctx)
		}
		if err == nil {
			return s, nil
		}
		if fault.CodeOf(err) != fault.SourceChanging || attempt == maxSurveys {
			return nil, err
		}
		if err := c.pause(ctx, wait); err != nil {
			return nil, err
		}
		wait *= 2
	}
}
