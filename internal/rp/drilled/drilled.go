package drilled

import (
	"context"
	"net/url"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/rp/rows"
)

// Drills are the certificates of an instance. [control.Controller] documents the method.
type Drills interface {
	Drills(ctx context.Context, in drills.Input) (drills.Output, error)
}

// List is the answer to a question for the drills.
type List struct {
	Value []Drill `json:"value"` // newest first
	From  int     `json:"from"`
	Total int     `json:"total"`
	Next  int     `json:"next"` // where the next page begins; 0 at the end
}

// Drill is one drill in the list, or by itself.
type Drill struct {
	drill.Listed
	Note string `json:"note,omitempty"` // what cannot be said of it, and why
	// Certificate is what was signed; of one that is asked for alone, and is not refused.
	Certificate *drill.Certificate `json:"certificate,omitempty"`
	// FindingsHidden says that the caller may not see which items differ.
	FindingsHidden bool `json:"findingsHidden,omitempty"`
}

// NotChecked says what it means that there is no list of keys.
const NotChecked = "The configuration of the workers names no keys that certificates of drills are believed by (drillSigners), so it cannot be checked who signed this one: anyone who can write to the share may have made it."

func drillOf(l drill.Listed) Drill {
	d := Drill{Listed: l}
	if l.Trust == drill.Unchecked {
		d.Note = NotChecked
	}
	return d
}

// maxFrom bounds where a page may begin.
const maxFrom = 10_000

// Read reads a page of the list, as the query says.
func Read(ctx context.Context, d Drills, query url.Values) (List, error) {
	from, count, err := rows.Of(query, maxFrom, drills.MaxRows)
	if err != nil {
		return List{}, err
	}
	out, err := d.Drills(ctx, drills.Input{From: from, Count: count})
	if err != nil {
		return List{}, err
	}
	list := List{Value: []Drill{}, From: out.From, Total: out.Total}
	for _, one := range out.Drills {
		list.Value = append(list.Value, drillOf(one))
	}
	if next := out.From + len(out.Drills); len(out.Drills) > 0 && next < out.Total {
		list.Next = next
	}
	return list, nil
}

func notFound(id string) error {
	return apierror.NotFound("The drill " + apierror.Quoted(id) + " could not be found.")
}

// ReadOne reads the drill of an ID, with the items that differ or without them.
func ReadOne(ctx context.Context, d Drills, id string, findings bool) (Drill, error) {
	parsed, err := backup.ParseID(strings.ToLower(id))
	if err != nil {
		return Drill{}, notFound(id)
	}
	out, err := d.Drills(ctx, drills.Input{DrillID: parsed})
	switch {
	case fault.CodeOf(err) == fault.ItemNotFound:
		return Drill{}, notFound(id)
	case err != nil:
		return Drill{}, err
	}
	one := drillOf(out.Drills[0])
	if one.Certificate = out.Certificate; out.Certificate != nil && !findings && len(out.Certificate.Findings) > 0 {
		hidden := *out.Certificate
		hidden.Findings = []drill.Finding{}
		one.Certificate, one.FindingsHidden = &hidden, true
	}
	return one, nil
}
