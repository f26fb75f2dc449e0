package drills

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/drill"
)

// MaxRows is how many certificates a page lists: each is read from the share.
const MaxRows = 100

// Input asks for a page of the list of certificates, or, where DrillID is given, for that one.
type Input struct {
	Instance string    `json:"instance"`
	DrillID  backup.ID `json:"drillId,omitempty"`
	From     int       `json:"from,omitempty"`
	Count    int       `json:"count,omitempty"`
}

// Output is the page, or the one certificate.
type Output struct {
	Drills []drill.Listed `json:"drills"` // newest first; the one that was asked for
	From   int            `json:"from"`
	Total  int            `json:"total"` // certificates that lie on the share
	// Certificate is that of the one drill that was asked for, nil when it is refused.
	Certificate *drill.Certificate `json:"certificate,omitempty"`
}

// Check makes sure that a question is one that this product sends to the instance.
func (in Input) Check(instance string) error {
	switch {
	case in.Instance != instance:
		return fault.Newf(fault.RequestRefused, "the request is for the instance %.100q, and this worker serves %s", in.Instance, instance)
	case in.DrillID != "":
		if _, err := backup.ParseID(string(in.DrillID)); err != nil || in.From != 0 || in.Count != 0 {
			return fault.Newf(fault.RequestRefused, "the request names no drill")
		}
	case in.From < 0 || in.Count < 1 || in.Count > MaxRows:
		return fault.Newf(fault.RequestRefused, "there is no such page of drills")
	}
	return nil
}

// Answers reports whether an answer can be one to a question.
func (o Output) Answers(in Input) bool {
	if in.DrillID == "" {
		return o.From == in.From && len(o.Drills) <= in.Count && o.Certificate == nil
	}
	return len(o.Drills) == 1 && o.Drills[0].DrillID == in.DrillID && (o.Certificate == nil || o.Certificate.DrillID == in.DrillID)
}
