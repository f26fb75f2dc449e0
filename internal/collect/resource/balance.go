package resource

import (
	"slices"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// balance is the end of every capture: SOURCE_INCOMPLETE when an entry is open.
func (w *Walk) balance() error {
	left := w.pending.Left()
	if w.items.any(mark.short) {
		for at, m := range w.items.all() {
			if m.short() {
				left = append(left, string(at.endpoint)+" "+at.id+" as a fuller document")
			}
		}
	}
	if len(left) == 0 {
		return nil
	}
	slices.Sort(left)
	return fault.Newf(fault.SourceIncomplete, "the stamp named %d addresses that were neither captured nor refused: %s", len(left), clipped(shorten(left)))
}

// short reports whether a fuller document was seen than the one that the part has.
func (m mark) short() bool { return m.most > m.weight && !m.confirmed && m.round != vanished }

// clipped keeps a text that the stamp had a part in short.
func clipped(text string) string {
	const most = 600
	return strings.Join(strings.Fields(printable.Clip(text, most)), " ")
}
