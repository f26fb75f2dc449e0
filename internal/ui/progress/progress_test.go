package progress

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/vbauerster/mpb/v8"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/ui"
)

var noon = time.Unix(1_800_000_000, 0)

func TestProgressLineFitsEveryWidth(t *testing.T) {
	works := []work{
		{name: "AD", phase: "queued"},
		{name: "AD", phase: "capture", items: 12345, bytes: 310 << 20},
		{name: "KeyVault", phase: "read back", bytes: 3 << 30, total: 10 << 30},
		{name: "ARM", phase: "capture", items: 9_999_999, bytes: 1023 << 30, total: 1 << 40, code: "SOURCE_THROTTLED"},
		{name: "CRP", phase: "upload", bytes: 11, total: 10}, // more than was expected
		{name: "CA", phase: "done", items: 16, bytes: 1 << 20, total: 1 << 20, ended: true},
		{name: "CA", phase: "failed", code: "SOURCE_NOT_CONFIGURED", ended: true},
	}
	for _, w := range works {
		for width := range 201 {
			for _, rate := range []float64{0, 0.1, 12 << 20, 1 << 50} {
				text := w.line(width, rate, noon.Add(time.Duration(width)*time.Second))
				require.LessOrEqual(t, utf8.RuneCountInString(text), width, text)
				if width >= 40 {
					require.True(t, strings.HasPrefix(text, w.name), text)
					require.Contains(t, text, w.phase)
				}
				if width >= 79 && w.bytes > 0 {
					require.Contains(t, text, ui.Size(w.bytes))
				}
				if w.items == 0 {
					require.NotContains(t, text, "items", "nothing is counted in this phase")
				}
				if w.total == 0 || w.bytes > w.total {
					require.NotContains(t, text, "%")
					require.NotContains(t, text, "#", "how much there is to do is not known")
					require.NotContains(t, text, "left")
				}
			}
		}
	}
}

func TestProgressLines(t *testing.T) {
	upload := work{name: "AD", phase: "upload", bytes: 256 << 20, total: 512 << 20}
	require.Equal(t, "AD       upload    [#####......]  50% 256.0 MiB of 512.0 MiB 10.0 MiB/s 25s left", upload.line(80, 10<<20, noon))
	require.Equal(t, "AD       upload     50% 25s left", upload.line(39, 10<<20, noon))
	capture := work{name: "ARM", phase: "capture", items: 700, bytes: 3 << 20}
	require.Regexp(t, `^ARM      capture   \[\.*<=>\.*\] 3\.0 MiB 700 items 1\.0 MiB/s$`, capture.line(79, 1<<20, noon))
	require.Equal(t, "ARM      capture   3.0 MiB 1.0 MiB/s", capture.line(39, 1<<20, noon))
	require.NotEqual(t, capture.line(79, 0, noon), capture.line(79, 0, noon.Add(time.Second)), "something moves")
}

func TestMeter(t *testing.T) {
	var m meter
	require.Zero(t, m.rate())
	for i := range 100 {
		m.see(noon.Add(time.Duration(i)*time.Second), "upload", int64(i)*1000)
	}
	require.InDelta(t, 1000, m.rate(), 1)
	for i := range 20 { // faster of late
		m.see(noon.Add(time.Duration(100+i)*time.Second), "upload", 100_000+int64(i)*5000)
	}
	require.InDelta(t, 5000, m.rate(), 1)
	require.Less(t, len(m.samples), 20)
	m.see(noon.Add(200*time.Second), "read back", 5)
	require.Zero(t, m.rate(), "another phase")
	m.see(noon.Add(202*time.Second), "read back", 1)
	require.Zero(t, m.rate(), "it began again")
}

// What is drawn is a line for each service, in the width of the terminal.
func TestProgressIsDrawn(t *testing.T) {
	var screen bytes.Buffer
	p := NewRun(&screen, false)
	p.drawOn(&screen, mpb.WithAutoRefresh())
	p.See(flow.Progress{Step: "capturing " + strings.Repeat("x", 300), Services: []flow.ServiceProgress{
		{Service: backup.AD, Phase: flow.PhaseCapture, Items: 5, Bytes: 1 << 20},
		{Service: backup.CA, Phase: flow.PhaseFailed, Code: "SOURCE_INVALID"},
	}})
	p.End()
	require.Contains(t, screen.String(), "AD       capture")
	require.Contains(t, screen.String(), "CA       failed    SOURCE_INVALID")
	for line := range strings.Lines(screen.String()) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 100)
	}
}
