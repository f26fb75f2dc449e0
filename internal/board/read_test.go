package board

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/alert"
	"infrabackup/internal/fault"
	"infrabackup/internal/schedule"
)

// TestReadOnce: it tells what a board that has just begun tells, with what could not be read.
func TestReadOnce(t *testing.T) {
	source := newSource()
	source.upkeep.Schedule = schedule.State{Setting: schedule.Default()}
	source.upkeep.Acknowledged = []alert.Acknowledgement{{Code: alert.ScheduleOff, By: "anna", At: now, Note: "cron does it"}}
	got := Read(t.Context(), source, Options{Now: func() time.Time { return now }})
	off, open := got.Alert(alert.Key{Code: alert.ScheduleOff})
	require.True(t, open)
	require.Equal(t, "anna", off.AcknowledgedBy)
	require.Equal(t, "cron does it", off.Note)
	require.Equal(t, now, got.AsOf)
	_, open = got.Alert(alert.Key{Code: alert.ScheduleOff, Object: "x"})
	require.False(t, open)

	source.fails["List"] = fault.Newf(fault.ShareUnreachable, "away")
	got = Read(t.Context(), source, Options{Now: func() time.Time { return now }})
	require.Equal(t, fault.ShareUnreachable, got.Fault.Code)
	require.Zero(t, got.AsOf)
	_, open = got.Alert(alert.Key{Code: alert.ShareConnection})
	require.True(t, open)
	_, open = got.Alert(alert.Key{Code: alert.ScheduleOff})
	require.True(t, open, "what could be read is told all the same")
}
