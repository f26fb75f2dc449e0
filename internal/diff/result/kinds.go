package result

import (
	"cmp"
	"slices"
)

// maxKinds is how many kinds a service tells apart; collectors have some thirty.
const maxKinds = 200

// OtherKinds is the kind of all items whose kind is one more than are told apart.
const OtherKinds = "other kinds"

// Count counts an item that differs, in the service and by its kind.
func (s *Service) Count(kind string, how How) {
	at, known := slices.BinarySearchFunc(s.Kinds, kind, func(k Kind, kind string) int { return cmp.Compare(k.Kind, kind) })
	switch {
	case known:
	case len(s.Kinds) >= maxKinds && kind != OtherKinds:
		s.Count(OtherKinds, how)
		return
	default:
		s.Kinds = slices.Insert(s.Kinds, at, Kind{Kind: kind})
	}
	k := &s.Kinds[at]
	switch how {
	case Added:
		s.Added++
		k.Added++
	case Removed:
		s.Removed++
		k.Removed++
	case Changed:
		s.Changed++
		k.Changed++
	default:
		s.Moved++
		k.Moved++
	}
}
