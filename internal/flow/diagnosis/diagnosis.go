package diagnosis

import (
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// ShareTrial is how much of the share a diagnosis tries.
type ShareTrial int

// The trials, each more than the one before.
const (
	ShareUntried         ShareTrial = iota
	ShareTried                      // what a backup needs from the server
	ShareTriedThoroughly            // all that an adapter promises
)

// Names of checks that others look for in a diagnosis.
const (
	OfSettings = "settings" // that the entity answers, with settings that can be used
	OfAnchor   = "anchor"   // that the share does not tell of newer ones
)

// Report is what a worker reports.
type Report struct {
	Host    string  `json:"host"`
	Version string  `json:"version"`
	Checks  []Check `json:"checks"`
	// Services are those that the worker has sources for.
	Services []backup.Service `json:"services,omitempty"`
	// Workers are the reports of the other workers.
	Workers []Report `json:"workers,omitempty"`
}

// Unanswered is the report on a worker that was asked and did not answer.
func Unanswered(host string, cause *fault.Fault) Report {
	return Report{Host: host, Checks: []Check{{
		Name: unanswered, Code: string(fault.NoWorker), Message: "does not answer: " + cause.Message(), Remedy: fault.NoWorker.Remedy(),
	}}}
}

const unanswered = "worker" // the name of the only check in such a report

// Answered reports whether the worker has made the report itself.
func (o Report) Answered() bool {
	return !slices.ContainsFunc(o.Checks, func(c Check) bool { return c.Name == unanswered && !c.OK })
}

// Check is one line of a diagnosis.
type Check struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}
