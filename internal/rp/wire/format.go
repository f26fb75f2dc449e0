package wire

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Date writes a time as .NET does: UTC, up to seven digits of a second, Z. Nil for none.
func Date(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05.9999999Z")
	return &text
}

// Duration writes .NET's ISO form with up to seven digits of a second. Days are written as
// hours, since scripts look for PT…H…M…S.
func Duration(d time.Duration) string {
	if d < 100 { // below what is written
		return "PT0S"
	}
	var b strings.Builder
	b.WriteString("PT")
	if hours := d / time.Hour; hours > 0 {
		fmt.Fprintf(&b, "%dH", hours)
	}
	if minutes := d % time.Hour / time.Minute; minutes > 0 {
		fmt.Fprintf(&b, "%dM", minutes)
	}
	if rest := d % time.Minute / 100; rest > 0 { // of 100 ns
		text := fmt.Sprintf("%d.%07d", rest/1e7, rest%1e7)
		b.WriteString(strings.TrimRight(strings.TrimRight(text, "0"), ".") + "S")
	}
	return b.String()
}

// units are those of StrFormatByteSize.
var units = []string{"bytes", "KB", "MB", "GB", "TB", "PB", "EB"}

// Capacity writes a size as Windows' StrFormatByteSize does: base 1024, three digits that are
// cut and not rounded, and the next unit from 1000 on. Nil when it is not known.
func Capacity(n int64) *string {
	if n <= 0 {
		return nil
	}
	if n < 1000 {
		text := strconv.FormatInt(n, 10) + " bytes"
		return &text
	}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	digits := 0
	switch {
	case value < 10:
		digits = 2
	case value < 100:
		digits = 1
	}
	scale := []float64{1, 10, 100}[digits]
	text := strconv.FormatFloat(float64(int64(value*scale))/scale, 'f', digits, 64) + " " + units[unit]
	return &text
}

// Text is nil for the empty string.
func Text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
