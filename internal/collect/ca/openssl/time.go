package openssl

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"infrabackup/internal/printable"
)

// parseTime reads an ASN.1 UTCTime or GeneralizedTime in all forms that openssl takes
// (X.690 11.7 and 11.8 without their restrictions): with or without seconds, a fraction
// in the long form, Z or an offset. Two-digit years below 50 are 20xx (RFC 5280
// 4.1.2.5.1).
func parseTime(text string) (time.Time, error) {
	if t, ok := ParseUTCTime(text); ok {
		return t, nil
	}
	if t, ok := ParseGeneralizedTime(text); ok {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("time %q: want YYMMDDHHMM[SS] or YYYYMMDDHHMM[SS] and Z", printable.Line(text, 32))
}

// ParseUTCTime reads the form with a year of two digits.
func ParseUTCTime(text string) (time.Time, bool) {
	if len(text) < 2 {
		return time.Time{}, false
	}
	century := "20"
	if text[0] >= '5' {
		century = "19"
	}
	return parseClock(century+text, 4, false)
}

// ParseGeneralizedTime reads the form with a year of four digits.
func ParseGeneralizedTime(text string) (time.Time, bool) { return parseClock(text, 4, true) }

// parseClock reads YYYYMMDDHHMM[SS][.f…](Z|±HHMM).
func parseClock(text string, year int, fraction bool) (t time.Time, ok bool) {
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		return t, false
	}
	digits, zone := text[:end], text[end:]
	switch len(digits) - year {
	case len("0102150405"):
	case len("01021504"):
		digits += "00"
	default:
		return t, false
	}
	if fraction && zone[0] == '.' {
		rest := strings.TrimLeft(zone[1:], "0123456789")
		if len(rest) == len(zone)-1 {
			return t, false
		}
		zone = rest
	}
	t, err := time.Parse("20060102150405", digits)
	if err != nil {
		return t, false
	}
	if zone == "Z" {
		return t, true
	}
	if len(zone) != len("+0100") || zone[0] != '+' && zone[0] != '-' {
		return t, false
	}
	hours, errHours := strconv.ParseUint(zone[1:3], 10, 8)
	minutes, errMinutes := strconv.ParseUint(zone[3:], 10, 8)
	if errHours != nil || errMinutes != nil || hours > 12 || minutes > 59 {
		return t, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if zone[0] == '+' {
		offset = -offset
	}
	return t.Add(offset), true
}
