package portal

import (
	"fmt"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/portal/chart"
	"infrabackup/internal/ui"
)

// chartRow is what a bar stands for, for who sees no chart.
type chartRow struct {
	At             time.Time
	State          state
	Size, Duration string
}

// maxBars is how many backups are drawn.
const maxBars = 60

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
func charts(s *board.Snapshot) []chart.Chart {
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
	return []chart.Chart{sizes, times}
}

func draw(id, title string, all []board.Backup, value func(board.Backup) (float64, string), label func(float64) string) chart.Chart {
	points := make([]chart.Point, 0, len(all))
	for _, b := range all {
		is := stateOf(b.Status)
		p := chart.Point{Day: day(b.StartedAt), At: instant(b.StartedAt), State: is.Word, Tone: is.Tone}
		p.Value, p.Text = value(b)
		points = append(points, p)
	}
	return chart.Draw(id, title, points, label)
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
