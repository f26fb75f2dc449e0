package descriptor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"infrabackup/internal/diff/identity"
)

// Difference is one thing in which two descriptors differ. Before and After are empty for what
// one of them does not have.
type Difference struct {
	What      string // owner, group, control, dacl, sacl, or "dacl order"
	Before    string
	After     string
	Inherited bool // an entry that came from a parent
	// Protected: the list does not take entries from parents any more, or does again.
	Protected bool
}

// control are the names of control bits (MS-DTYP 2.4.6, SDDL 2.5.1).
var control = []bit{
	{0x4, "DACL_PRESENT"}, {0x8, "DACL_DEFAULTED"}, {0x10, "SACL_PRESENT"}, {0x20, "SACL_DEFAULTED"}, {0x40, "TRUSTED_FOR_DACL"}, {0x80, "SERVER_SECURITY"},
	{0x100, "DACL_AUTO_INHERIT_REQ"}, {0x200, "SACL_AUTO_INHERIT_REQ"}, {0x400, "DACL_AUTO_INHERITED"}, {0x800, "SACL_AUTO_INHERITED"},
	{0x1000, "DACL_PROTECTED"}, {0x2000, "SACL_PROTECTED"}, {0x4000, "RM_CONTROL_VALID"},
}

func controlText(n uint16) string {
	var out []string
	for _, b := range control {
		if uint32(n)&b.value != 0 {
			out = append(out, b.name)
		}
	}
	return strings.Join(out, " ")
}

// Compare returns in what two descriptors differ, in a fixed order. SIDs of a go through m.
func Compare(a, b *Descriptor, m identity.Map) []Difference {
	var found []Difference
	text := func(what, x, y string) {
		if x != y {
			found = append(found, Difference{What: what, Before: strings.ToUpper(x), After: strings.ToUpper(y)})
		}
	}
	text("owner", mapped(a.Owner, m), b.Owner)
	text("group", mapped(a.Group, m), b.Group)
	if x, y := a.Control&^ignoredControl, b.Control&^ignoredControl; x != y {
		found = append(found, Difference{What: "control", Before: controlText(x), After: controlText(y), Protected: (x^y)&(daclProtected|saclProtected) != 0})
	}
	found = append(found, lists("dacl", a.DACL, b.DACL, m)...)
	return append(found, lists("sacl", a.SACL, b.SACL, m)...)
}

// Same reports whether two descriptors say the same.
func Same(a, b *Descriptor) bool { return len(Compare(a, b, identity.Map{})) == 0 }

func mapped(sid string, m identity.Map) string {
	if sid == "" {
		return ""
	}
	return m.SID(sid)
}

// state says what a list is without its entries.
func (l List) state() string {
	switch {
	case !l.Present:
		return "none"
	case l.Null:
		return "null: everyone has every access"
	}
	return "a list"
}

func lists(what string, a, b List, m identity.Map) []Difference {
	var found []Difference
	if x, y := a.state(), b.state(); x != y {
		found = append(found, Difference{What: what, Before: x, After: y})
	}
	entriesA, entriesB := slices.Clone(a.Entries), b.Entries
	for i := range entriesA {
		entriesA[i].SID = mapped(entriesA[i].SID, m)
	}
	left := map[Entry]int{}
	for _, e := range entriesB {
		left[e]++
	}
	for _, e := range entriesA {
		left[e]--
	}
	maps.DeleteFunc(left, func(_ Entry, n int) bool { return n == 0 })
	for _, e := range slices.SortedFunc(maps.Keys(left), func(x, y Entry) int { return strings.Compare(fmt.Sprintf("%+v", x), fmt.Sprintf("%+v", y)) }) {
		one := Difference{What: what, Inherited: e.Inherited()}
		n := left[e]
		if n < 0 {
			one.Before, n = e.String(), -n
		} else {
			one.After = e.String()
		}
		for range n {
			found = append(found, one)
		}
	}
	if len(found) == 0 && !sameRuns(entriesA, entriesB) {
		found = append(found, Difference{What: what + " order", Before: order(entriesA), After: order(entriesB)})
	}
	return found
}

// class tells entries apart whose order among each other matters: one that denies in front of
// one that allows is not the same as behind it.
func class(e Entry) string {
	kind := "other"
	switch e.Type {
	case 0, 5, 9, 11:
		kind = "allow"
	case 1, 6, 10, 12:
		kind = "deny"
	}
	if e.Inherited() {
		return "inherited " + kind
	}
	return kind
}

// sameRuns reports whether two lists with the same entries have them in runs of the same
// classes.
func sameRuns(a, b []Entry) bool {
	if slices.EqualFunc(a, b, func(x, y Entry) bool { return class(x) == class(y) }) {
		return runsEqual(a, b)
	}
	return false
}

// runsEqual compares each run as a set.
func runsEqual(a, b []Entry) bool {
	for from := 0; from < len(a); {
		to := from + 1
		for to < len(a) && class(a[to]) == class(a[from]) {
			to++
		}
		count := map[Entry]int{}
		for i := from; i < to; i++ {
			count[a[i]]++
			count[b[i]]--
		}
		for _, n := range count {
			if n != 0 {
				return false
			}
		}
		from = to
	}
	return true
}

// order is a list's entries in their order, for people.
func order(entries []Entry) string {
	var out strings.Builder
	for _, e := range entries {
		out.WriteString(e.String())
	}
	return out.String()
}
