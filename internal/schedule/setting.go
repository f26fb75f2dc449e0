package schedule

import (
	"fmt"

	"infrabackup/internal/fault"
)

// Bounds of what can be set.
const (
	MinFrequencyHours = 4
	MaxFrequencyHours = 12
	MinRetentionDays  = 2
	MaxRetentionDays  = 14
	MinKeepVerified   = 1
	MaxKeepVerified   = 100

	recommendedHours = 12 // two backups a day
	recommendedDays  = 7
)

// Setting is what an operator sets.
type Setting struct {
	Enabled        bool `json:"enabled"`        // backups start by themselves
	FrequencyHours int  `json:"frequencyHours"` // between two slots
	RetentionDays  int  `json:"retentionDays"`  // how old a backup becomes
	KeepVerified   int  `json:"keepVerified"`   // verified good backups that are never removed, whatever their age
}

// Default is off, every 12 hours, 7 days and 2 verified backups.
func Default() Setting {
	return Setting{FrequencyHours: recommendedHours, RetentionDays: recommendedDays, KeepVerified: 2}
}

// Validate refuses what lies outside the bounds.
func (s Setting) Validate() error {
	for _, m := range []struct {
		name             string
		value, low, high int
	}{
		{"frequencyHours", s.FrequencyHours, MinFrequencyHours, MaxFrequencyHours},
		{"retentionDays", s.RetentionDays, MinRetentionDays, MaxRetentionDays},
		{"keepVerified", s.KeepVerified, MinKeepVerified, MaxKeepVerified},
	} {
		if m.value < m.low || m.value > m.high {
			return fault.Newf(fault.SettingsInvalid, "%s is %d, and has to be from %d to %d", m.name, m.value, m.low, m.high)
		}
	}
	return nil
}

// Warnings says where the setting is not what is recommended: at least two backups a day,
// kept for at most seven days.
func (s Setting) Warnings() []string {
	var all []string
	if !s.Enabled {
		all = append(all, "backups do not start by themselves; at least two backups a day are recommended")
	}
	if s.FrequencyHours > recommendedHours {
		all = append(all, fmt.Sprintf("backups start every %d hours; at least two backups a day are recommended", s.FrequencyHours))
	}
	if s.RetentionDays > recommendedDays {
		all = append(all, fmt.Sprintf("backups are kept for %d days; at most %d days are recommended", s.RetentionDays, recommendedDays))
	}
	return all
}
