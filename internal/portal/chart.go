package portal

import (
	"fmt"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/ui"
)

// chart is a bar chart as SVG: numbers only, so that the page's colors apply.
type chart struct {
	ID, Title, Description string
	Bars                   []bar
	Lines                  []gridLine
	First, Last            string
	Rows                   []chartRow
}

type bar struct {
	X, Y, Width, Height float64
	Tone, Label         string
}

type gridLine struct {
	Y     float64
	Label string
}

type chartRow struct {
	At             time.Time
	State          state
	Size, Duration string
}

// The drawing area; CSS scales it.
const (
	chartWidth  = 360
	chartHeight = 100
	chartTop    = 8
	chartLeft   = 72
	maxBars     = 60
)

// measured are the finished backups that are drawn, oldest first.
func measured(s *board.Snapshot) []board.Backup {
	var all []board.Backup
	for _, b := range s.Backups {
		if len(all) == maxBars {
			break
		}
		if !b.FinishedAt.IsZero() && (b.Status == backup.Succeeded || b.Status == backup.PartialSucceeded) {
			all = append([]board.Backup{b}, all...)
		}
	}
	return all
}

// charts draws size and duration; nothing for fewer than two backups.
func charts(s *board.Snapshot) []chart {
	all := measured(s)
	if len(all) < 2 {
		return nil
	}
	sizes := draw("size", "Size on the share", all, func(b board.Backup) (float64, string) {
		return float64(b.TotalBytes), ui.Size(b.TotalBytes)
	}, func(v float64) string { return ui.Size(int64(v)) })
	times := draw("duration", "Duration", all, func(b board.Backup) (float64, string) {
		return b.FinishedAt.Sub(b.StartedAt).Seconds(), duration(b.StartedAt, b.FinishedAt)
	}, func(v float64) string {
		if v >= 120 {
			return fmt.Sprintf("%.0f min", v/60)
		}
		return fmt.Sprintf("%.0f s", v)
	})
	return []chart{sizes, times}
}

func draw(id, title string, all []board.Backup, value func(board.Backup) (float64, string), label func(float64) string) chart {
	c := chart{ID: id, Title: title, First: day(all[0].StartedAt), Last: day(all[len(all)-1].StartedAt)}
	top, least, most := 0.0, "", ""
	low := -1.0
	for _, b := range all {
		v, text := value(b)
		if v > top || most == "" {
			top, most = max(v, 0), text
		}
		if low < 0 || v < low {
			low, least = v, text
		}
	}
	if top == 0 {
		top = 1
	}
	_, newestText := value(all[len(all)-1])
	c.Description = fmt.Sprintf("%s of the last %d backups, from %s to %s: between %s and %s, the newest %s.", title, len(all), c.First, c.Last, least, most, newestText)
	step := float64(chartWidth-chartLeft) / float64(len(all))
	for i, b := range all {
		v, text := value(b)
		height := max(v/top*(chartHeight-chartTop), 1)
		c.Bars = append(c.Bars, bar{
			X: chartLeft + float64(i)*step + (step-min(step*0.76, 16))/2, Y: chartHeight - height, Width: min(step*0.76, 16), Height: height,
			Tone: stateOf(b.Status).Tone, Label: instant(b.StartedAt) + ": " + text + ", " + stateOf(b.Status).Word,
		})
	}
	for _, part := range []float64{0, 0.5, 1} {
		c.Lines = append(c.Lines, gridLine{Y: chartHeight - part*(chartHeight-chartTop), Label: label(top * part)})
	}
	return c
}

// chartRows are the same numbers, newest first.
func chartRows(s *board.Snapshot) []chartRow {
	all := measured(s)
	rows := make([]chartRow, 0, len(all))
	for i := len(all) - 1; i >= 0; i-- {
		b := all[i]
		rows = append(rows, chartRow{b.StartedAt, stateOf(b.Status), ui.Size(b.TotalBytes), duration(b.StartedAt, b.FinishedAt)})
	}
	return rows
}
