package alert

import "time"

// Code names a cause. It never changes its meaning.
type Code string

// Severity says how soon somebody has to act.
type Severity string

// The severities, worst first.
const (
	Critical Severity = "critical" // a restore today would lose something, or fail
	Warning  Severity = "warning"  // it will come to that
	Notice   Severity = "notice"   // what is recommended is not met
)

// rank orders severities, the worst first.
func (s Severity) rank() int {
	switch s {
	case Critical:
		return 0
	case Warning:
		return 1
	}
	return 2
}

// Cause is one row of the table.
type Cause struct {
	Code        Code     `json:"code"`
	Severity    Severity `json:"severity"`
	Title       string   `json:"title"`
	Description string   `json:"description"` // what it means
	Remedy      string   `json:"remedy"`      // what to do; it names no command and no button
}

// Alert is a cause that holds.
type Alert struct {
	Cause
	Object         string    `json:"object,omitempty"` // of what, such as a backup's ID; empty when there can be only one
	Message        string    `json:"message"`          // what is so, with its numbers and names
	Since          time.Time `json:"since,omitzero"`   // when it began, as far as is known
	AcknowledgedBy string    `json:"acknowledgedBy,omitempty"`
	AcknowledgedAt time.Time `json:"acknowledgedAt,omitzero"`
}

// Key tells alerts apart: there is never more than one open alert with the same key.
type Key struct {
	Code   Code
	Object string
}

// Key returns the alert's key.
func (a Alert) Key() Key { return Key{a.Code, a.Object} }

// Acknowledgement says that somebody has taken note of an alert. It counts for the opening that it
// was made for, and not for a later one; the first of an opening is the one that counts.
type Acknowledgement struct {
	Code   Code      `json:"code"`
	Object string    `json:"object,omitempty"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}
