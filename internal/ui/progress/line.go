package progress

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"infrabackup/internal/ui"
)

// work is what one line of progress shows.
type work struct {
	name, phase  string
	items, bytes int64
	total        int64 // bytes in all, 0 while unknown
	code         string
	ended        bool
}

// piece is a part of a line. The least important ones give way where it is narrow.
type piece struct {
	text   string
	weight int // 0 for what is never left out
}

// Shortest and longest bar, with its brackets.
const (
	minBar = 8
	maxBar = 32
)

// line renders the work in at most width columns. Rate is in bytes a second, 0 while it
// is not known.
func (w work) line(width int, rate float64, now time.Time) string {
	head := []piece{{fmt.Sprintf("%-8s %-9s", w.name, w.phase), 0}}
	var tail []piece
	if w.known() && !w.ended {
		tail = append(tail, piece{fmt.Sprintf("%3d%%", 100*w.bytes/w.total), 8})
	}
	switch {
	case w.known() && !w.ended:
		tail = append(tail, piece{ui.Size(w.bytes) + " of " + ui.Size(w.total), 5})
	case w.bytes > 0:
		tail = append(tail, piece{ui.Size(w.bytes), 7})
	}
	if w.items > 0 {
		tail = append(tail, piece{fmt.Sprintf("%d items", w.items), 3})
	}
	if rate > 0 && !w.ended {
		tail = append(tail, piece{ui.Size(int64(rate)) + "/s", 4})
		if w.known() {
			tail = append(tail, piece{left(float64(w.total-w.bytes)/rate) + " left", 6})
		}
	}
	if w.code != "" {
		tail = append(tail, piece{w.code, 9})
	}
	pieces := append(head, tail...)
	for columns(pieces) > width {
		least := -1
		for i, p := range pieces {
			if p.weight > 0 && (least < 0 || p.weight < pieces[least].weight) {
				least = i
			}
		}
		if least < 0 {
			return cut(pieces[0].text, width)
		}
		pieces = slices.Delete(pieces, least, least+1)
	}
	if room := min(width-columns(pieces)-1, maxBar); room >= minBar && !w.ended {
		pieces = slices.Insert(pieces, 1, piece{text: w.bar(room, now)})
	}
	texts := make([]string, len(pieces))
	for i, p := range pieces {
		texts[i] = p.text
	}
	return strings.Join(texts, " ")
}

// known reports whether it is known how much there is to do. What is done already can be
// more than what was expected, and then it is not.
func (w work) known() bool { return w.total > 0 && w.bytes <= w.total }

// bar fills up as far as is known, else something moves in it.
func (w work) bar(width int, now time.Time) string {
	inside := width - 2
	if w.known() {
		full := int(float64(inside) * float64(w.bytes) / float64(w.total))
		return "[" + strings.Repeat("#", full) + strings.Repeat(".", inside-full) + "]"
	}
	const block = "<=>"
	way := inside - len(block)
	at := int(now.UnixMilli()/200) % (2 * way)
	if at > way {
		at = 2*way - at
	}
	return "[" + strings.Repeat(".", at) + block + strings.Repeat(".", way-at) + "]"
}

func columns(pieces []piece) int {
	n := len(pieces) - 1
	for _, p := range pieces {
		n += utf8.RuneCountInString(p.text)
	}
	return n
}

// cut is as much of a text as fits.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}

// left renders a remaining time, which is a guess.
func left(seconds float64) string {
	const day = 24 * 60 * 60
	if seconds > 99*day {
		return "months"
	}
	d := time.Duration(seconds) * time.Second
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}

// meterSpan is how far back a rate looks.
const meterSpan = 15 * time.Second

// meter measures how fast bytes go by.
type meter struct {
	phase   string
	samples []sample
}

type sample struct {
	at    time.Time
	bytes int64
}

// see takes how much is done of a phase. Another phase, or less than there was, begins
// again.
func (m *meter) see(at time.Time, phase string, bytes int64) {
	if n := len(m.samples); phase != m.phase || n > 0 && bytes < m.samples[n-1].bytes {
		m.phase, m.samples = phase, nil
	}
	m.samples = append(m.samples, sample{at, bytes})
	for len(m.samples) > 2 && at.Sub(m.samples[1].at) >= meterSpan {
		m.samples = m.samples[1:]
	}
}

// rate is in bytes a second, 0 while it is not known.
func (m *meter) rate() float64 {
	if len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	span := last.at.Sub(first.at).Seconds()
	if span < 1 {
		return 0
	}
	return float64(last.bytes-first.bytes) / span
}
