package planpage

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
)

// Section is a part of a plan.
type Section string

// The sections.
const (
	Steps        Section = "steps"        // all steps, in the order in which they are done
	Changes      Section = "changes"      // those that are not left as they are
	Irreversible Section = "irreversible" // those that cannot be undone, which are agreed to by name
	Refused      Section = "refused"      // what no step was made of
	Lost         Section = "lost"         // what cannot come back
)

// Known reports whether there is such a section.
func (s Section) Known() bool {
	return slices.Contains([]Section{Steps, Changes, Irreversible, Refused, Lost}, s)
}

// Bounds of a page.
const (
	// MaxRows is how many rows a page has at most.
	MaxRows = 500
	// maxBytes bounds its rows as JSON. What carries a page takes 1 MiB.
	maxBytes = 512 << 10
	// maxText and maxNames bound one text of a row, in bytes, and one list of names. JSON makes
	// six bytes of one at worst, so that a single row stays below maxBytes.
	maxText  = 2 << 10
	maxNames = 100
	maxName  = 128
	// MaxTitle bounds a title, in bytes. A step whose title was longer is agreed to with all others only.
	MaxTitle = 2 * maxText
)

// Target is what a plan is for.
type Target struct {
	Name string `json:"name"` // what the workers' configuration calls it
	ID   string `json:"id"`   // which is agreed to where it may be the cloud that was backed up
}

// Page is what a plan says of itself, and some rows of one of its sections.
type Page struct {
	PlanID     string         `json:"planId"`
	Kind       restore.Kind   `json:"kind"`
	Undoes     string         `json:"undoes,omitempty"` // the restore that an undo takes back
	BackupID   backup.ID      `json:"backupId"`
	Target     Target         `json:"target"`
	Production bool           `json:"production"` // the target may be the cloud that was backed up
	CreatedAt  time.Time      `json:"createdAt"`
	Expires    time.Time      `json:"expires"`
	Counts     restore.Counts `json:"counts"`
	State      string         `json:"state"` // as [restore.Listed] has it

	Section Section `json:"section"`
	From    int     `json:"from"`  // number of the first row, from 0 on
	Total   int     `json:"total"` // rows of the section
	Next    int     `json:"next"`  // where the next page begins; 0 when this is the last one
	// Steps are the rows of the three sections of steps, Refused and Lost those of the others.
	Steps   []Step            `json:"steps,omitempty"`
	Refused []restore.Refusal `json:"refused,omitempty"`
	Lost    []restore.Loss    `json:"lost,omitempty"`
}

// Step is a step without the digests of values.
type Step struct {
	N int `json:"n"`
	restore.Key
	// Title is the whole key, which names the step where it is agreed to.
	Title      string                `json:"title"`
	Name       string                `json:"name,omitempty"`
	Action     restore.Action        `json:"action"`
	Reason     restore.Reason        `json:"reason"`
	Fields     []string              `json:"fields"`               // names of what is set or changed
	MoreFields int                   `json:"moreFields,omitempty"` // how many names were left out
	AddedBy    string                `json:"addedBy"`
	NeededBy   string                `json:"neededBy,omitempty"`
	Reversible restore.Reversibility `json:"reversible"`
	Supplies   []string              `json:"supplies,omitempty"`
}

// Of returns at most count rows of a section from row from on, fewer where the page would be too
// large. Count is at most [MaxRows].
func Of(p *restore.Plan, state string, section Section, from, count int) Page {
	h := p.Header
	page := Page{
		PlanID: h.PlanID, Kind: h.Kind, Undoes: cut(h.Undoes, maxName), BackupID: cut(h.Origin.BackupID, maxName), Target: Target{cut(h.Target.Name, maxText), cut(h.Target.ID(), maxText)}, Production: h.Production,
		CreatedAt: h.CreatedAt, Expires: h.Expires, Counts: h.Counts, State: state, Section: section, From: from,
	}
	count = min(count, MaxRows)
	switch section {
	case Refused:
		page.Refused, page.Total = rows(p.Refusals, from, count, nil, func(r restore.Refusal) restore.Refusal {
			return restore.Refusal{Key: keyOf(r.Key), Code: cut(r.Code, maxName), Detail: cut(r.Detail, maxText)}
		})
		page.end(len(page.Refused))
	case Lost:
		page.Lost, page.Total = rows(p.Losses, from, count, nil, func(l restore.Loss) restore.Loss {
			return restore.Loss{Key: keyOf(l.Key), Code: cut(l.Code, maxName), Detail: cut(l.Detail, maxText)}
		})
		page.end(len(page.Lost))
	default:
		page.Steps, page.Total = rows(p.Steps, from, count, kept[section], stepOf)
		page.end(len(page.Steps))
	}
	return page
}

// kept says which steps are in a section; all where there is nothing.
var kept = map[Section]func(restore.Step) bool{
	Changes:      func(s restore.Step) bool { return s.Action != restore.Skip },
	Irreversible: func(s restore.Step) bool { return s.Writes() && s.Reversible.Grade == restore.Irreversible },
}

// end notes where the next page begins.
func (p *Page) end(shown int) {
	if next := p.From + shown; shown > 0 && next < p.Total {
		p.Next = next
	}
}

// rows takes those of a page out of all, and counts them.
func rows[From, To any](all []From, from, count int, keep func(From) bool, row func(From) To) (out []To, total int) {
	size, full := 0, false
	for _, one := range all {
		if keep != nil && !keep(one) {
			continue
		}
		if total++; total <= from || full {
			continue
		}
		next := row(one)
		text, err := json.Marshal(next)
		if size += len(text); err != nil || len(out) >= count || len(out) > 0 && size > maxBytes {
			full = true // what cannot be written is on no page; these types always can
			continue
		}
		out = append(out, next)
	}
	return out, total
}

func stepOf(s restore.Step) Step {
	fields := names(s.Fields)
	return Step{
		N: s.N, Key: keyOf(s.Key), Title: cut(s.Key.String(), MaxTitle), Name: cut(s.Name, maxText), Action: cut(s.Action, maxName), Reason: cut(s.Reason, maxName), Fields: fields, MoreFields: len(s.Fields) - len(fields),
		AddedBy: cut(s.AddedBy, maxName), NeededBy: cut(s.NeededBy, maxText), Reversible: restore.Reversibility{Grade: cut(s.Reversible.Grade, maxName), Why: cut(s.Reversible.Why, maxText)}, Supplies: names(s.Supplies),
	}
}

func keyOf(k restore.Key) restore.Key {
	return restore.Key{Service: cut(k.Service, maxName), Kind: cut(k.Kind, maxName), ID: cut(k.ID, maxText), Phase: cut(k.Phase, maxName)}
}

func names(all []string) []string {
	out := make([]string, 0, min(len(all), maxNames))
	for _, name := range all[:min(len(all), maxNames)] {
		out = append(out, cut(name, maxName))
	}
	return out
}

// Cut reports whether the title of the step is not whole.
func (s Step) Cut() bool {
	return len(s.Title) > MaxTitle-utf8.UTFMax && strings.HasSuffix(s.Title, ellipsis)
}

const ellipsis = "…"

// cut shortens a text between characters.
func cut[Text ~string](text Text, limit int) Text {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + ellipsis
}
