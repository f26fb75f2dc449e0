package backup

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"infrabackup/internal/printable"
)

// Limits of a [Consistency].
const (
	// MaxDangling is how many dangling references are listed. All are counted.
	MaxDangling = 200
	// MaxRelations is how many relations are told apart; any further ones are counted
	// as [OtherRelation].
	MaxRelations = 64
	// MaxDanglingText is how long an ID, name or target in the list can be, in bytes.
	MaxDanglingText = 1024
)

// OtherRelation stands for relations beyond [MaxRelations].
const OtherRelation = "other"

// Consistency tells how well the services of a backup fit together. No transaction
// spans them, so each was captured at its own time: Skew is how far apart these times
// are, the rest whether what the items refer to is there.
type Consistency struct {
	Skew Skew `json:"skew"`
	// Relations count the references, sorted by relation.
	Relations []RelationCount `json:"relations"`
	// LeftOut counts references of items that have more than [MaxReferences], which
	// were not recorded and so are unchecked as well.
	LeftOut int64 `json:"leftOut,omitempty"`
	// Dangling are the first [MaxDangling] references whose target is not there, in the
	// order of [DanglingReference.Compare]. Lists of several backups leave it out.
	Dangling []DanglingReference `json:"dangling,omitempty"`
}

// RelationCount counts the references of one relation, those of superseded records
// not among them.
type RelationCount struct {
	Relation string `json:"relation"`
	Checked  int64  `json:"checked"`  // the target's service is in the backup
	Dangling int64  `json:"dangling"` // of these, the target is not
	// Unchecked are references into services that are not in the backup, and those
	// beyond what can be kept in memory. Whether their targets exist is not known.
	Unchecked int64 `json:"unchecked"`
}

// DanglingReference is a reference whose target's service is in the backup and whose
// target is not. Names and IDs that are too long for the list end with "…".
type DanglingReference struct {
	Service       Service `json:"service"`
	ID            string  `json:"id"`
	Name          string  `json:"name"`
	Relation      string  `json:"relation"`
	TargetService Service `json:"targetService"`
	Target        string  `json:"target"` // ID or alias
}

// Compare orders by service, ID, relation, target service, target and name.
func (d DanglingReference) Compare(other DanglingReference) int {
	return cmp.Or(
		cmp.Compare(d.Service.Order(), other.Service.Order()), strings.Compare(string(d.Service), string(other.Service)),
		strings.Compare(d.ID, other.ID), strings.Compare(d.Relation, other.Relation),
		cmp.Compare(d.TargetService.Order(), other.TargetService.Order()), strings.Compare(string(d.TargetService), string(other.TargetService)),
		strings.Compare(d.Target, other.Target), strings.Compare(d.Name, other.Name),
	)
}

// Skew is how far apart in time the services were captured, from the capture windows
// of those that are in the backup, as the clocks of the capturing hosts had it.
type Skew struct {
	Start time.Time `json:"start"` // UTC, earliest first read
	End   time.Time `json:"end"`   // UTC, latest last read
	// SpreadMS is End - Start in milliseconds: no two reads lie further apart.
	SpreadMS int64 `json:"spreadMs"`
	// ApartMS is the largest distance between the windows of two services, in
	// milliseconds: from the end of the one to the start of the other. With 0 there was
	// a moment at which every service was being read.
	ApartMS int64 `json:"apartMs"`
	// First and Last are the two services that are ApartMS apart: the one that ended
	// first and the one that began last. They are empty when ApartMS is 0.
	First Service `json:"first,omitempty"`
	Last  Service `json:"last,omitempty"`
}

// MeasureSkew measures the windows of the services that were captured.
func MeasureSkew(results []ServiceResult) Skew {
	var skew Skew
	var first, last ServiceResult // with the earliest end, with the latest start
	for _, r := range results {
		if r.Status != Succeeded || r.WindowStart.IsZero() || r.WindowEnd.Before(r.WindowStart) {
			continue
		}
		if first.Service == "" {
			skew.Start, skew.End, first, last = r.WindowStart, r.WindowEnd, r, r
			continue
		}
		if r.WindowStart.Before(skew.Start) {
			skew.Start = r.WindowStart
		}
		if r.WindowEnd.After(skew.End) {
			skew.End = r.WindowEnd
		}
		if r.WindowEnd.Before(first.WindowEnd) {
			first = r
		}
		if r.WindowStart.After(last.WindowStart) {
			last = r
		}
	}
	skew.SpreadMS = max(skew.End.Sub(skew.Start).Milliseconds(), 0)
	if apart := last.WindowStart.Sub(first.WindowEnd); apart > 0 {
		// Rounded up, so that 0 means what it says.
		skew.ApartMS = (apart + time.Millisecond - 1).Milliseconds()
		skew.First, skew.Last = first.Service, last.Service
	}
	return skew
}

// Totals sums up all relations; those that were left out count as unchecked.
func (c *Consistency) Totals() (checked, dangling, unchecked int64) {
	for _, r := range c.Relations {
		checked += r.Checked
		dangling += r.Dangling
		unchecked += r.Unchecked
	}
	return checked, dangling, unchecked + c.LeftOut
}

// Summary is c without its list, nil for nil.
func (c *Consistency) Summary() *Consistency {
	if c == nil {
		return nil
	}
	short := *c
	short.Dangling = nil
	return &short
}

// validate bounds what a manifest may say.
func (c *Consistency) validate() error {
	if c.Skew.SpreadMS < 0 || c.Skew.ApartMS < 0 || c.Skew.ApartMS > c.Skew.SpreadMS+1 {
		return errors.New("its skew is impossible")
	}
	if len(c.Relations) > MaxRelations+1 {
		return fmt.Errorf("it counts %d relations, at most %d are possible", len(c.Relations), MaxRelations+1)
	}
	counted := map[string]int64{}
	for i, r := range c.Relations {
		if err := CheckRelation(r.Relation); err != nil {
			return err
		}
		if i > 0 && r.Relation <= c.Relations[i-1].Relation {
			return fmt.Errorf("relation %s is listed twice or out of order", r.Relation)
		}
		if r.Checked < 0 || r.Dangling < 0 || r.Unchecked < 0 || r.Dangling > r.Checked {
			return fmt.Errorf("its numbers of relation %s are impossible", r.Relation)
		}
		counted[r.Relation] = r.Dangling
	}
	if c.LeftOut < 0 {
		return errors.New("it leaves out a negative number of references")
	}
	if len(c.Dangling) > MaxDangling {
		return fmt.Errorf("it lists %d dangling references, at most %d are possible", len(c.Dangling), MaxDangling)
	}
	for i, d := range c.Dangling {
		if d.ID == "" || d.Target == "" || max(len(d.ID), len(d.Name), len(d.Target)) > MaxDanglingText {
			return fmt.Errorf("dangling reference %d has no id or target, or one that is too long", i+1)
		}
		if i > 0 && d.Compare(c.Dangling[i-1]) < 0 {
			return fmt.Errorf("dangling reference %d is out of order", i+1)
		}
		if counted[d.Relation]--; counted[d.Relation] < 0 {
			return fmt.Errorf("it lists more dangling references of relation %.70q than it counts", d.Relation)
		}
	}
	return nil
}

// DanglingText makes an ID, name or target fit for the list: valid UTF-8 without
// control characters, at most [MaxDanglingText] bytes.
func DanglingText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	const more = "…"
	if len(s) <= MaxDanglingText {
		return s
	}
	return printable.Prefix(s, MaxDanglingText-len(more)) + more
}
