package ad

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"

	"infrabackup/internal/collect"
)

// iniText is the text of an INI file: Windows reads and writes them in UTF-16 as well
// (WritePrivateProfileString keeps what a file has), with a mark in front or, rarely,
// without.
func iniText(data []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), len(data) > 1 && data[0] != 0 && data[1] == 0:
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}), len(data) > 1 && data[0] == 0 && data[1] != 0:
		order = binary.BigEndian
	default:
		return string(data)
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units))
}

// storedName is where a file of SYSVOL goes in the part: below sysvol/ by its own name,
// or, when Windows allows a longer one than a part can hold, below sysvol-renamed/ by a
// shortened one. The item's ID is its own name in any case.
func storedName(name string) string {
	const folder, renamed = "sysvol/", "sysvol-renamed/"
	if short, shortened := collect.ShortenPath(name, collect.MaxPath-len(renamed)); shortened {
		return renamed + short
	}
	return folder + name
}
