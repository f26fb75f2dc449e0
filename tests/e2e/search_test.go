package e2e

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// search finds many texts in one pass over the data: a database of 70 MB that is gone through
// for each of hundreds of secrets takes longer than the backup that is searched.
type search struct {
	begins [1 << 16]bool // whether a text begins with these two bytes
	texts  map[uint32][]sought
}

// sought is a text that is looked for, by its first four bytes.
type sought struct {
	name string
	text []byte
}

// newSearch prepares a search for texts of at least four bytes.
func newSearch(t *testing.T, texts map[string][]byte) *search {
	t.Helper()
	s := &search{texts: map[uint32][]sought{}}
	for name, text := range texts {
		require.GreaterOrEqual(t, len(text), 4, "%s would be found by chance", name)
		s.begins[binary.BigEndian.Uint16(text)] = true
		first := binary.BigEndian.Uint32(text)
		s.texts[first] = append(s.texts[first], sought{name, text})
	}
	return s
}

// in returns the name of a text that stands in data, empty for none.
func (s *search) in(data []byte) string {
	for i := 0; i+4 <= len(data); i++ {
		if !s.begins[binary.BigEndian.Uint16(data[i:])] {
			continue
		}
		for _, one := range s.texts[binary.BigEndian.Uint32(data[i:])] {
			if bytes.HasPrefix(data[i:], one.text) {
				return one.name
			}
		}
	}
	return ""
}

// requireNowhere searches places for texts.
func requireNowhere(t *testing.T, texts, places map[string][]byte) {
	t.Helper()
	s := newSearch(t, texts)
	for place, data := range places {
		require.Empty(t, s.in(data), "this stands in %s", place)
	}
}

// TestSearchFinds: what stands at either end, over another text that begins alike, is found.
func TestSearchFinds(t *testing.T) {
	t.Parallel()
	s := newSearch(t, map[string][]byte{"short": []byte("abcd"), "long": []byte("abXYZ-long"), "alike": []byte("abXYZ-lost")})
	for data, want := range map[string]string{
		"": "", "abc": "", "abcd": "short", "--abcd": "short", "ababcd--": "short", "abXYZ-lo": "", "abXYZ-abXYZ-long": "long", "xabXYZ-lost": "alike", "\x00ab\xffcd": "",
	} {
		require.Equal(t, want, s.in([]byte(data)), "%q", data)
	}
}
