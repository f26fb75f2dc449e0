//go:build !linux

package archive

import (
	"math"
	"os"
	"time"
)

// setTime sets the time of a file that was made below root, or the nearest one that
// package os can set: it counts nanoseconds of 64 bits.
func setTime(root *os.Root, name string, to time.Time) error {
	earliest, latest := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	switch {
	case to.Before(earliest):
		to = earliest
	case to.After(latest):
		to = latest
	}
	return root.Chtimes(name, to, to)
}
