package diffs

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// MaxBytes bounds a report as JSON; a result takes 1 MiB.
const MaxBytes = 900 << 10

const (
	maxKeyText   = 8 << 10
	maxRequester = 1 << 10
)

// Side is one of the two backups, with the key of it alone. The operator's own key never leaves the
// operator.
type Side struct {
	BackupID backup.ID       `json:"backupId"`
	Key      secret.Transfer `json:"key"`
}

// Input asks for a comparison of A with B.
type Input struct {
	Instance string `json:"instance"`
	A        Side   `json:"a"`
	B        Side   `json:"b"`
	// Services are compared; empty for all.
	Services    []backup.Service `json:"services,omitempty"`
	RequestedBy string           `json:"requestedBy"`
	// Reader is a digest of who may read what is found: names may look alike, and are cut.
	Reader string `json:"reader"`
}

// Output is what differs.
type Output struct {
	RequestedBy string `json:"requestedBy"` // who asked for it
	Reader      string `json:"reader"`      // digest of who may read it
	// Report has every total; the differences that it lists are as many as fit into MaxBytes.
	Report *result.Report `json:"report"`
}

// Summary is what may be told of a comparison to those who may not read it: counts, and no names.
type Summary struct {
	A       backup.ID `json:"a"`
	B       backup.ID `json:"b"`
	Same    bool      `json:"same"`
	Added   int64     `json:"added"`
	Removed int64     `json:"removed"`
	Changed int64     `json:"changed"`
	Moved   int64     `json:"moved"`
	Gained  int64     `json:"gained"` // of access
	Lost    int64     `json:"lost"`
}

// Summary counts.
func (o Output) Summary() *Summary {
	s := &Summary{}
	if o.Report == nil {
		return s
	}
	s.A, s.B, s.Same, s.Gained, s.Lost = o.Report.A.BackupID, o.Report.B.BackupID, o.Report.Same, o.Report.Access.Gained, o.Report.Access.Lost
	for _, one := range o.Report.Services {
		s.Added += one.Added
		s.Removed += one.Removed
		s.Changed += one.Changed
		s.Moved += one.Moved
	}
	return s
}

// Check makes sure that a request is one that this product sends to the instance.
func (in Input) Check(instance string) error {
	if in.Instance != instance {
		return fault.Newf(fault.RequestRefused, "the request is for the instance %.100q, and this worker serves %s", in.Instance, instance)
	}
	for _, side := range []Side{in.A, in.B} {
		if _, err := backup.ParseID(string(side.BackupID)); err != nil {
			return fault.New(fault.RequestRefused, "the request names no backup", err)
		}
		if side.Key.IsZero() || len(side.Key.Reveal()) > maxKeyText {
			return fault.Newf(fault.RequestRefused, "the request brings no key of a backup")
		}
	}
	if len(in.Services) > len(backup.Services()) || len(in.RequestedBy) > maxRequester || len(in.Reader) > maxRequester {
		return fault.Newf(fault.RequestRefused, "the request names too much")
	}
	for _, s := range in.Services {
		if known, err := backup.ParseService(string(s)); err != nil || known != s {
			return fault.Newf(fault.RequestRefused, "%.100q is no service", s)
		}
	}
	return nil
}

// Texts are what a person says of themselves in it; a caller makes one printable line of each.
func (in *Input) Texts() []*string { return []*string{&in.RequestedBy} }
