package main

import (
	"time"

	"infrabackup/internal/flow"
)

// counter shows on a terminal how far the reading of a backup is.
type counter struct {
	progress *progress // nil without a terminal
	now      work
	meter    meter
}

// newCounter begins to show one. Without a terminal there is nothing to see.
func (a *app) newCounter(title string) *counter {
	c := &counter{}
	if p := a.newProgress(); p.group != nil {
		c.progress = p
		c.now = work{name: "reading"}
		p.mu.Lock()
		p.step = title
		p.mu.Unlock()
		p.line(func(width int) string { return c.now.line(width, c.meter.rate(), time.Now()) })
	}
	return c
}

// see takes how much of a file is read.
func (c *counter) see(file string, done, total int64) {
	if c.progress == nil {
		return
	}
	c.progress.mu.Lock()
	defer c.progress.mu.Unlock()
	c.now.phase, c.now.bytes, c.now.total = file, done, total
	c.meter.see(time.Now(), file, done)
}

// beat takes what a worker reports of its reading.
func (c *counter) beat(s flow.ServiceProgress) { c.see(string(s.Phase), s.Bytes, s.TotalBytes) }

func (c *counter) end() {
	if c.progress != nil {
		c.progress.end()
	}
}
