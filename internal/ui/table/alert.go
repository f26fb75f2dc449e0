package table

import (
	"text/tabwriter"

	"infrabackup/internal/alert"
	"infrabackup/internal/ui"
)

// OpenAlert is an open alert with the ID that commands take.
type OpenAlert struct {
	ID string `json:"id"`
	alert.Alert
}

// OpenAlerts adds their IDs to alerts.
func OpenAlerts(all []alert.Alert) []OpenAlert {
	rows := make([]OpenAlert, 0, len(all))
	for _, a := range all {
		rows = append(rows, OpenAlert{a.Key().String(), a})
	}
	return rows
}

// ExplainedAlert is a cause, and where it holds.
type ExplainedAlert struct {
	alert.Cause
	Open []OpenAlert `json:"open"`
}

// Alerts shows open alerts.
func Alerts(w *tabwriter.Writer, all []alert.Alert) {
	Line(w, "ALERT", "SEVERITY", "SINCE", "ACKNOWLEDGED", "MESSAGE")
	for _, a := range all {
		Line(w, a.Key(), a.Severity, ui.Time(a.Since), acknowledged(a), a.Message)
	}
}

// Alert explains a cause, and shows the open alerts that have it.
func Alert(w *tabwriter.Writer, cause alert.Cause, open []alert.Alert) {
	Line(w, "Code:", cause.Code)
	Line(w, "Severity:", cause.Severity)
	Line(w, "Title:", cause.Title)
	Line(w, "Meaning:", cause.Description)
	Line(w, "What to do:", cause.Remedy)
	if len(open) == 0 {
		Line(w, "Open:", "no")
	}
	for _, a := range open {
		Line(w)
		Line(w, "Open:", a.Key())
		Line(w, "Message:", a.Message)
		Line(w, "Since:", ui.Time(a.Since))
		Line(w, "Acknowledged:", acknowledged(a))
	}
}

// acknowledged says who knows of an alert since when, and what they noted.
func acknowledged(a alert.Alert) string {
	if a.AcknowledgedAt.IsZero() {
		return "no"
	}
	text := ui.Time(a.AcknowledgedAt) + " by " + a.AcknowledgedBy
	if a.Note != "" {
		text += ": " + a.Note
	}
	return text
}
