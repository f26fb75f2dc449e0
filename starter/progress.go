package main

import (
	"fmt"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
)

// progress shows a run on standard error: a bar for each service on a terminal, else a
// line whenever a service enters another phase.
type progress struct {
	app   *app
	group *mpb.Progress
	bars  map[backup.Service]*serviceBar
	last  map[backup.Service]string
	step  string
}

// serviceBar is the bar of one service.
type serviceBar struct {
	bar   *mpb.Bar
	state flow.ServiceProgress
}

func (a *app) newProgress() *progress {
	p := &progress{app: a, bars: map[backup.Service]*serviceBar{}, last: map[backup.Service]string{}}
	if a.terminal(a.stderr) {
		p.group = mpb.New(mpb.WithOutput(a.stderr), mpb.WithWidth(40))
	}
	return p
}

// see takes the newest state.
func (p *progress) see(now flow.Progress) {
	if p.group == nil && now.Step != p.step {
		p.step = now.Step
		p.app.say("%s", printable(now.Step))
	}
	for _, s := range now.Services {
		if p.group != nil {
			p.draw(s)
			continue
		}
		text := fmt.Sprintf("%-8s %s", s.Service, s.Phase)
		if s.Phase == flow.PhaseDone {
			text += fmt.Sprintf(", %d items, %s", s.Items, size(s.Bytes))
		}
		if s.Code != "" {
			text += ", " + s.Code
		}
		if p.last[s.Service] != text {
			p.last[s.Service] = text
			p.app.say("%s", printable(text))
		}
	}
}

func (p *progress) draw(s flow.ServiceProgress) {
	b, ok := p.bars[s.Service]
	if !ok {
		b = &serviceBar{}
		b.bar = p.group.AddBar(0,
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
				return fmt.Sprintf("%-8s %-9s", b.state.Service, b.state.Phase)
			})),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
				text := fmt.Sprintf("%d items, %s", b.state.Items, size(b.state.Bytes))
				if b.state.Code != "" {
					text += ", " + b.state.Code
				}
				return text
			})))
		p.bars[s.Service] = b
	}
	b.state = s
	switch s.Phase {
	case flow.PhaseDone, flow.PhaseFailed:
		b.bar.SetTotal(max(s.Bytes, 1), false)
		b.bar.SetCurrent(max(s.Bytes, 1))
	default:
		b.bar.SetTotal(max(s.TotalBytes, s.Bytes+1), false)
		b.bar.SetCurrent(s.Bytes)
	}
}

// end leaves the bars as they are.
func (p *progress) end() {
	if p.group == nil {
		return
	}
	for _, b := range p.bars {
		b.bar.Abort(false)
	}
	p.group.Wait()
}
