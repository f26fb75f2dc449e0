package directory

import (
	"slices"
	"strings"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/result"
)

// Settle decides about what follows from changes further up, when all pairs of a directory are
// there: a move that is that of a container does not count, nor do inherited permissions that
// differ below an object whose own ones do. Others count. Added are the names of objects that
// only B has.
func Settle(pairs []*Pair, added []string) {
	moves := settleMoves(pairs)
	changed := map[string]bool{} // names of objects whose permissions others inherit
	for _, p := range pairs {
		if p.Permissions || moves[p] {
			changed[strings.ToLower(p.NameA)] = true
			changed[strings.ToLower(p.NameB)] = true
		}
	}
	for _, name := range added {
		changed[strings.ToLower(name)] = true
	}
	for _, p := range pairs {
		if len(p.Inherited.List) == 0 {
			continue
		}
		if moves[p] || below(p.NameB, changed) || below(p.NameA, changed) || p.protected {
			for range int64(len(p.Inherited.List)) + p.Inherited.More {
				p.Details.Ignore(ReasonInherited)
			}
		} else {
			p.Details.Merge(&p.Inherited)
		}
		p.Inherited = result.Details{}
	}
}

// settleMoves makes moves that follow from those of containers no moves, and returns the
// objects that were moved by themselves.
func settleMoves(pairs []*Pair) map[*Pair]bool {
	moved := map[*Pair]bool{}
	var all []*Pair
	for _, p := range pairs {
		if p.How == result.Moved || p.How == result.Renamed {
			all = append(all, p)
		}
	}
	depth := func(p *Pair) int { return strings.Count(p.NameA, ",") }
	slices.SortStableFunc(all, func(x, y *Pair) int { return depth(x) - depth(y) })
	to := map[string]string{} // new names by old ones, in small letters, of what moved by itself
	for _, p := range all {
		if follows(p, to) {
			p.How, p.Note = result.Changed, ""
			p.Details.Ignore(ReasonParent)
			continue
		}
		moved[p] = p.How == result.Moved
		to[strings.ToLower(p.NameA)] = p.NameB
	}
	return moved
}

// follows reports whether an object has its new name because something above it moved.
func follows(p *Pair, to map[string]string) bool {
	front := ""
	for name := p.NameA; name != ""; {
		first, parent := record.SplitDN(name)
		if front != "" {
			front += ","
		}
		front += first
		if there, ok := to[strings.ToLower(parent)]; ok && strings.EqualFold(front+","+there, p.NameB) {
			return true
		}
		name = parent
	}
	return false
}

// below reports whether something above an object is in a set of names.
func below(dn string, names map[string]bool) bool {
	for _, parent := record.SplitDN(dn); parent != ""; _, parent = record.SplitDN(parent) {
		if names[strings.ToLower(parent)] {
			return true
		}
	}
	return false
}
