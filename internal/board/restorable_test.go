package board

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// TestTombstoneLifetimeAsRecorded: what the capture recorded counts, within what a directory can mean.
func TestTombstoneLifetimeAsRecorded(t *testing.T) {
	for name, tc := range map[string]struct {
		tombstone, deleted string
		days               int
		assumed            bool
	}{
		"nothing":            {"", "", 60, true},
		"as new forests":     {"180", "", 180, false},
		"recycle bin":        {"180", "90", 90, false},
		"recycle bin longer": {"180", "365", 180, false},
		"only recycle bin":   {"", "30", 30, true},
		"too few":            {"1", "", 2, false},
		"below zero":         {"-180", "", 2, false},
		"deleted below zero": {"180", "-2147483648", 2, false},
		"no number":          {"180d", "x", 60, true},
		"very many":          {strconv.FormatInt(1<<62, 10), "", maxTombstoneDays, false},
		"too large":          {"99999999999999999999", "", 60, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := ending("g", backup.Succeeded, 1)
			b.Services[0] = backup.ServiceResult{Service: backup.AD, Status: backup.Succeeded, Cursor: map[string]string{}}
			for key, value := range map[string]string{backup.TombstoneLifetime: tc.tombstone, backup.DeletedObjectLifetime: tc.deleted} {
				if value != "" {
					b.Services[0].Cursor[key] = value
				}
			}
			until, why := Restorable(b, true, settings.Summary{}, schedule.State{}, now)
			require.Equal(t, b.StartedAt.AddDate(0, 0, tc.days), until)
			require.Contains(t, why, strconv.Itoa(tc.days)+" days")
			if tc.assumed {
				require.Contains(t, why, "assumed")
			} else {
				require.NotContains(t, why, "assumed")
			}
			until, why = Restorable(b, true, settings.Summary{}, schedule.State{}, b.StartedAt.AddDate(0, 0, tc.days))
			require.Zero(t, until)
			require.Contains(t, why, strconv.Itoa(tc.days)+" days")
		})
	}
}
