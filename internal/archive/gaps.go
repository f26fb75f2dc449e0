package archive

import (
	"encoding/json"

	"infrabackup/internal/backup"
	"infrabackup/internal/printable"
)

// Gaps go into the manifest, whose size is bounded: a part may list this much of
// them, the rest is counted.
const (
	maxGaps     = 10_000
	maxGapBytes = 256 << 10
	// maxGapCodes bounds how many codes the rest is told apart by. Codes are
	// constants in the collectors; more than these means that one is not.
	maxGapCodes = 100
	// gapIndent is what the manifest's indentation adds to a gap.
	gapIndent = 80
)

// furtherObjects is the object of a gap that stands for those not listed.
const furtherObjects = "further objects, not listed"

// gapList keeps the first gaps one by one and the others as counts by code.
type gapList struct {
	listed  []backup.Gap
	bytes   int
	further []backup.Gap
}

func (l *gapList) add(gap backup.Gap) {
	encoded, err := json.Marshal(gap)
	if err == nil && len(l.listed) < maxGaps && l.bytes+len(encoded)+gapIndent <= maxGapBytes {
		l.listed = append(l.listed, gap)
		l.bytes += len(encoded) + gapIndent
		return
	}
	count := max(gap.Count, 1)
	for i := range l.further {
		if l.further[i].Code == gap.Code || i == maxGapCodes-1 {
			l.further[i].Count += count
			return
		}
	}
	l.further = append(l.further, backup.Gap{
		Code: printable.Clip(gap.Code, 100), Object: furtherObjects, Reason: printable.Clip(gap.Reason, 500), Count: count,
	})
}

func (l *gapList) all() []backup.Gap {
	return append(l.listed[:len(l.listed):len(l.listed)], l.further...)
}
