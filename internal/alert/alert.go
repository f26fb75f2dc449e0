// Package alert says what an operator has to know of without having asked.
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
