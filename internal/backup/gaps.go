package backup

import (
	"encoding/json"

	"infrabackup/internal/printable"
)

// FurtherObjects is the object of a gap that stands for those that are not listed.
const FurtherObjects = "further objects, not listed"

const (
	// maxGapCodes bounds how many codes the rest is told apart by. Codes are constants in
	// the collectors; more than these means that one is not.
	maxGapCodes = 100
	// gapIndent is what a manifest's indentation adds to a gap.
	gapIndent = 80
)

// GapList keeps gaps within bounds, since manifests and results have some: the first ones
// one by one, the others as one gap for each code with their number. None is lost. The
// zero value lists none.
type GapList struct {
	// MaxListed is how many are listed one by one.
	MaxListed int
	// MaxBytes is how much of a manifest these take; 0 is any size.
	MaxBytes int

	listed  []Gap
	bytes   int
	further []Gap
}

// Add adds a gap.
func (l *GapList) Add(gap Gap) {
	if len(l.listed) < l.MaxListed && l.fits(gap) {
		l.listed = append(l.listed, gap)
		return
	}
	count := max(gap.Count, 1)
	for i := range l.further {
		if l.further[i].Code == gap.Code || i == maxGapCodes-1 {
			l.further[i].Count += count
			return
		}
	}
	l.further = append(l.further, Gap{
		Code: printable.Clip(gap.Code, 100), Object: FurtherObjects, Reason: printable.Clip(gap.Reason, 500), Count: count,
	})
}

// fits takes the room that a gap needs, and reports whether there was enough.
func (l *GapList) fits(gap Gap) bool {
	if l.MaxBytes == 0 {
		return true
	}
	encoded, err := json.Marshal(gap)
	size := len(encoded) + gapIndent
	if err != nil || l.bytes+size > l.MaxBytes {
		return false
	}
	l.bytes += size
	return true
}

// All returns the gaps in the order in which they came, those that stand for others last.
// It is never nil.
func (l *GapList) All() []Gap { return append(append([]Gap{}, l.listed...), l.further...) }

// BoundGaps is a list of at most listed gaps that take at most so many bytes of a manifest, 0
// for any number, and others that stand for the rest.
func BoundGaps(gaps []Gap, listed, bytes int) []Gap {
	list := GapList{MaxListed: listed, MaxBytes: bytes}
	for _, gap := range gaps {
		list.Add(gap)
	}
	return list.All()
}
