package secret

import (
	"bytes"
	"errors"
)

// byteOrderMark is what editors on Windows put in front of UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// ErrEncoding says that a file is no UTF-8 text, as whoever wrote it on Windows has to
// know.
var ErrEncoding = errors.New("it is text in UTF-16 or UTF-32, which editors and PowerShell on Windows write; save it as UTF-8 or ASCII")

// Text takes the byte order mark of UTF-8 off a file that people write by hand, such as
// one with a password, a key or settings, and refuses UTF-16 and UTF-32 ([ErrEncoding]):
// their marks, or a NUL beside every ASCII character where the mark was left out. The
// result is a slice of data.
func Text(data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, byteOrderMark):
		return data[len(byteOrderMark):], nil
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}), bytes.HasPrefix(data, []byte{0, 0, 0xfe, 0xff}):
		return nil, ErrEncoding
	case len(data) >= 4 && len(data)%2 == 0 && (alternates(data, 0) || alternates(data, 1)):
		return nil, ErrEncoding
	}
	return data, nil
}

// alternates reports whether every other byte, from first on, is NUL and no other is.
func alternates(data []byte, first int) bool {
	for i, b := range data {
		if (b == 0) != (i%2 == first) {
			return false
		}
	}
	return true
}
