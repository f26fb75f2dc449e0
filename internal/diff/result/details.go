package result

import (
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"infrabackup/internal/diff/redact"
	"infrabackup/internal/printable"
)

// Limits of what is kept of one item.
const (
	maxDetails = 200
	maxValue   = 400 // bytes of a value
	maxLead    = 40  // bytes before the first difference of two long values
	maxPath    = 500
)

// Reasons for which a difference does not count, by how often that was so.
type Reasons map[string]int64

// Add counts a reason n times.
func (r Reasons) Add(reason string, n int64) { r[reason] += n }

// AddAll adds the counts of others.
func (r Reasons) AddAll(others Reasons) {
	for reason, n := range others {
		r[reason] += n
	}
}

// List is sorted by reason, and never nil.
func (r Reasons) List() []Ignored {
	list := make([]Ignored, 0, len(r))
	for _, reason := range slices.Sorted(maps.Keys(r)) {
		list = append(list, Ignored{reason, r[reason]})
	}
	return list
}

// Details collects what differs within one item. The zero value is empty.
type Details struct {
	List    []Detail
	More    int64
	Ignored Reasons
}

// Found reports whether anything differs.
func (d *Details) Found() bool { return len(d.List) > 0 }

// Ignore counts a difference that does not count.
func (d *Details) Ignore(reason string) {
	if d.Ignored == nil {
		d.Ignored = Reasons{}
	}
	d.Ignored[reason]++
}

// Add notes a value that is in B only.
func (d *Details) Add(path, after string) { d.note(path, Added, "", after) }

// Remove notes a value that is in A only.
func (d *Details) Remove(path, before string) { d.note(path, Removed, before, "") }

// Change notes a value that differs.
func (d *Details) Change(path, before, after string) { d.note(path, Changed, before, after) }

// Secret notes that a value that is not shown was added, removed or changed.
func (d *Details) Secret(path string, how How) { d.keep(Detail{Path: path, How: how, Secret: true}) }

// note keeps a value, unless it looks like a secret.
func (d *Details) note(path string, how How, before, after string) {
	if redact.Text(before) || redact.Text(after) {
		d.Secret(path, how)
		return
	}
	d.Masked(path, how, before, after)
}

// Masked notes values in which the caller has hidden what is a secret. Before does not count
// for what was added, nor after for what was removed.
func (d *Details) Masked(path string, how How, before, after string) {
	one := Detail{Path: path, How: how}
	before, after = Shown(before, after)
	if how != Added {
		one.Before = &before
	}
	if how != Removed {
		one.After = &after
	}
	d.keep(one)
}

func (d *Details) keep(one Detail) {
	if len(d.List) >= maxDetails {
		d.More++
		return
	}
	one.Path = printable.Clip(one.Path, maxPath)
	d.List = append(d.List, one)
}

// Merge appends what another collection found, and what it ignored.
func (d *Details) Merge(other *Details) {
	for _, one := range other.List {
		d.keep(one)
	}
	d.More += other.More
	for reason, n := range other.Ignored {
		if d.Ignored == nil {
			d.Ignored = Reasons{}
		}
		d.Ignored[reason] += n
	}
}

// Shown shortens two values that differ to what shows the difference. Bytes that are no text
// are hexadecimal.
func Shown(a, b string) (shownA, shownB string) {
	a, b = text(a), text(b)
	if len(a) <= maxValue && len(b) <= maxValue {
		return a, b
	}
	common := 0
	for common < len(a) && common < len(b) && a[common] == b[common] {
		common++
	}
	from := 0
	if a != "" && b != "" && common > maxValue/2 {
		from = common - maxLead
		for from > 0 && !utf8.RuneStart(a[from]) {
			from--
		}
	}
	return cut(a, from), cut(b, from)
}

// text is a value as text.
func text(s string) string {
	if utf8.ValidString(s) {
		return strings.Clone(s) // not with the document that it is a part of
	}
	n := min(len(s), maxValue/2)
	return strconv.Itoa(len(s)) + " bytes: " + hex.EncodeToString([]byte(s[:n]))
}

func cut(s string, from int) string {
	from = min(from, len(s))
	out := printable.Clip(s[from:], maxValue)
	if from > 0 {
		out = "…" + out
	}
	return out
}
