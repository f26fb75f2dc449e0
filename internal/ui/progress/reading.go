package progress

import (
	"io"
	"time"

	"infrabackup/internal/flow"
)

// Reading shows on a terminal how far the reading of a backup is.
type Reading struct {
	run   *Run // nil without a terminal
	now   work
	meter meter
}

// NewReading begins to show one, see [NewRun]. Without a terminal there is nothing to see.
func NewReading(out io.Writer, moving bool, title string) *Reading {
	c := &Reading{}
	if p := NewRun(out, moving); p.group != nil {
		c.run = p
		c.now = work{name: "reading"}
		p.mu.Lock()
		p.step = title
		p.mu.Unlock()
		p.line(func(width int) string { return c.now.line(width, c.meter.rate(), time.Now()) })
	}
	return c
}

// See takes how much of a file is read.
func (c *Reading) See(file string, done, total int64) {
	if c.run == nil {
		return
	}
	c.run.mu.Lock()
	defer c.run.mu.Unlock()
	c.now.phase, c.now.bytes, c.now.total = file, done, total
	c.meter.see(time.Now(), file, done)
}

// Beat takes what a worker reports of its reading.
func (c *Reading) Beat(s flow.ServiceProgress) { c.See(string(s.Phase), s.Bytes, s.TotalBytes) }

// End leaves what is shown.
func (c *Reading) End() {
	if c.run != nil {
		c.run.End()
	}
}
