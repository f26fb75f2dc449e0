package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
)

// progress shows a run on standard error: a bar for each service on a terminal, else a
// line whenever something changes.
type progress struct {
	app   *app
	group *mpb.Progress // nil without a terminal
	title *mpb.Bar
	bars  map[backup.Service]*mpb.Bar
	last  map[backup.Service]string

	mu     sync.Mutex // the bars are drawn by a goroutine of their own
	step   string
	states map[backup.Service]flow.ServiceProgress
}

func (a *app) newProgress() *progress {
	p := &progress{
		app: a, bars: map[backup.Service]*mpb.Bar{}, last: map[backup.Service]string{}, states: map[backup.Service]flow.ServiceProgress{},
	}
	if a.terminal(a.stderr) {
		p.drawOn(a.stderr)
	}
	return p
}

// drawOn makes it draw bars.
func (p *progress) drawOn(w io.Writer, options ...mpb.ContainerOption) {
	p.group = mpb.New(append(options, mpb.WithOutput(w), mpb.WithWidth(40))...)
	p.title = p.group.New(0, mpb.NopStyle(), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return printable(p.step)
	})))
}

// see takes the newest state.
func (p *progress) see(now flow.Progress) {
	p.mu.Lock()
	before := p.step
	p.step = now.Step
	for _, s := range now.Services {
		p.states[s.Service] = s
	}
	p.mu.Unlock()
	if p.group == nil && now.Step != before {
		p.app.say("%s", printable(now.Step))
	}
	for _, s := range now.Services {
		if p.group != nil {
			p.draw(s)
		} else {
			p.tell(s)
		}
	}
}

// tell writes a line when the service has entered another phase or is tried again.
func (p *progress) tell(s flow.ServiceProgress) {
	text := fmt.Sprintf("%-8s %s", s.Service, s.Phase)
	if s.Phase == flow.PhaseDone {
		text += fmt.Sprintf(", %d items, %s", s.Items, size(s.Bytes))
	}
	if s.Code != "" {
		text += ", " + trouble(s)
	}
	if p.last[s.Service] != text {
		p.last[s.Service] = text
		p.app.say("%s", printable(text))
	}
}

// trouble says what keeps a service.
func trouble(s flow.ServiceProgress) string {
	if s.Message == "" {
		return s.Code
	}
	return s.Code + ": " + s.Message
}

func (p *progress) draw(s flow.ServiceProgress) {
	bar, ok := p.bars[s.Service]
	if !ok {
		bar = p.group.AddBar(0,
			mpb.PrependDecorators(p.label(s.Service, func(s flow.ServiceProgress) string {
				return fmt.Sprintf("%-8s %-9s", s.Service, s.Phase)
			})),
			mpb.AppendDecorators(p.label(s.Service, func(s flow.ServiceProgress) string {
				text := fmt.Sprintf("%d items, %s", s.Items, size(s.Bytes))
				if s.Code != "" {
					text += ", " + s.Code
				}
				return text
			})))
		p.bars[s.Service] = bar
	}
	switch s.Phase {
	case flow.PhaseDone, flow.PhaseFailed:
		bar.SetTotal(max(s.Bytes, 1), false)
		bar.SetCurrent(max(s.Bytes, 1))
	default:
		bar.SetTotal(max(s.TotalBytes, s.Bytes+1), false)
		bar.SetCurrent(s.Bytes)
	}
}

// label renders the newest state of a service beside its bar.
func (p *progress) label(service backup.Service, text func(flow.ServiceProgress) string) decor.Decorator {
	return decor.Any(func(decor.Statistics) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return printable(text(p.states[service]))
	})
}

// end leaves the bars as they are.
func (p *progress) end() {
	if p.group == nil {
		return
	}
	p.title.Abort(true)
	for _, b := range p.bars {
		b.Abort(false)
	}
	p.group.Wait()
}
