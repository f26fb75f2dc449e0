package backup

import (
	"slices"
	"strings"

	"infrabackup/internal/printable"
)

// Limits of what is reported of names that others gave.
const (
	MaxForeignNames = 100 // in a [Foreign]
	maxReportedName = 512 // bytes of one, and of the file of a finding, without the ellipsis
)

// Foreign are entries in the folders of an instance that are not this product's: what
// file servers, desktops and people put beside its files. They change nothing of what
// a backup is, so they are no finding; they are left alone and named. FORMAT.md says
// what is foreign and what is a finding.
type Foreign struct {
	Count int `json:"count"` // of a folder with more than share.MaxStrangers names that no store can open, at least
	// Names are the first of them, at most [MaxForeignNames], relative to the share's
	// path, and cut where they are very long. What a terminal obeys, or nobody sees, is
	// escaped.
	Names []string `json:"names"`
}

// Add enters one.
func (f *Foreign) Add(name string) {
	f.Count++
	if len(f.Names) < MaxForeignNames {
		f.Names = append(f.Names, printable.Clip(name, maxReportedName))
	}
}

// Moved tells that the folder from is called to now.
func (f *Foreign) Moved(from, to string) {
	for i, name := range f.Names {
		if rest, ok := strings.CutPrefix(name, from+"/"); ok {
			f.Names[i] = to + "/" + rest
		}
	}
}

// Merge enters those of another list that are not named already.
func (f *Foreign) Merge(other Foreign) {
	for _, name := range other.Names { // each was clipped when it came in
		if !slices.Contains(f.Names, name) {
			f.Add(name)
		}
	}
	f.Count += other.Count - len(other.Names)
}
