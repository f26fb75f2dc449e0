package progress

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/printable"
	"infrabackup/internal/ui"
)

// Run shows a run: on a terminal a line for each service that moves, else a line whenever
// something changes.
type Run struct {
	out   io.Writer
	group *mpb.Progress // nil without a terminal
	title *mpb.Bar
	lines []*mpb.Bar
	bars  map[backup.Service]*mpb.Bar
	last  map[backup.Service]string

	mu     sync.Mutex // the lines are drawn by a goroutine of their own
	step   string
	states map[backup.Service]flow.ServiceProgress
	meters map[backup.Service]*meter
	now    func() time.Time
}

// NewRun begins to show one. Moving says that out is a terminal that takes moving output.
func NewRun(out io.Writer, moving bool) *Run {
	p := &Run{
		out: out, bars: map[backup.Service]*mpb.Bar{}, last: map[backup.Service]string{}, states: map[backup.Service]flow.ServiceProgress{},
		meters: map[backup.Service]*meter{}, now: time.Now,
	}
	if moving {
		p.drawOn(out)
	}
	return p
}

// drawOn makes it draw lines that move.
func (p *Run) drawOn(w io.Writer, options ...mpb.ContainerOption) {
	p.group = mpb.New(append(options, mpb.WithOutput(w))...)
	p.title = p.line(func(width int) string { return cut(p.step, width) })
}

// See takes the newest state.
func (p *Run) See(now flow.Progress) {
	p.mu.Lock()
	before := p.step
	p.step = now.Step
	for _, s := range now.Services {
		p.states[s.Service] = s
	}
	p.mu.Unlock()
	if p.group == nil && now.Step != before {
		ui.Say(p.out, "%s", now.Step)
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
func (p *Run) tell(s flow.ServiceProgress) {
	text := fmt.Sprintf("%-8s %s", s.Service, s.Phase)
	if s.Phase == flow.PhaseDone {
		if s.Items > 0 {
			text += fmt.Sprintf(", %d items", s.Items)
		}
		text += ", " + ui.Size(s.Bytes)
	}
	if s.Code != "" {
		text += ", " + trouble(s)
	}
	if p.last[s.Service] != text {
		p.last[s.Service] = text
		ui.Say(p.out, "%s", text)
	}
}

// trouble says what keeps a service.
func trouble(s flow.ServiceProgress) string {
	if s.Message == "" {
		return s.Code
	}
	return s.Code + ": " + s.Message
}

func (p *Run) draw(s flow.ServiceProgress) {
	p.mu.Lock()
	m, ok := p.meters[s.Service]
	if !ok {
		m = &meter{}
		p.meters[s.Service] = m
	}
	m.see(p.now(), string(s.Phase), s.Bytes)
	p.mu.Unlock()
	if _, ok := p.bars[s.Service]; !ok {
		p.bars[s.Service] = p.line(func(width int) string {
			now := p.states[s.Service]
			work := work{
				name: string(now.Service), phase: string(now.Phase), items: now.Items, bytes: now.Bytes, total: now.TotalBytes, code: now.Code,
				ended: now.Phase == flow.PhaseDone || now.Phase == flow.PhaseFailed,
			}
			return work.line(width, m.rate(), p.now())
		})
	}
}

// line adds a line that text renders again and again, while what it shows does not change.
func (p *Run) line(text func(width int) string) *mpb.Bar {
	b := p.group.New(0, mpb.NopStyle(), mpb.BarFillerTrim(), mpb.PrependDecorators(decor.Any(func(s decor.Statistics) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return printable.Text(text(s.AvailableWidth - 1)) // some terminals wrap after the last column
	})))
	p.lines = append(p.lines, b)
	return b
}

// End leaves the lines as they are.
func (p *Run) End() {
	if p.group == nil {
		return
	}
	p.title.Abort(true)
	for _, b := range p.lines {
		b.Abort(false)
	}
	p.group.Wait()
}
