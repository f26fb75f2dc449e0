package archive

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
)

// TestTimesOfAllAges: a time is kept exactly, or said to be another one, and never on
// the other side of 1970.
func TestTimesOfAllAges(t *testing.T) {
	times := []time.Time{
		time.Date(1601, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(1901, 12, 13, 20, 45, 51, 0, time.UTC), time.Date(1902, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), time.Unix(-1, 999_999_999).UTC(), time.Unix(0, 0).UTC(), time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
		time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC), time.Date(2242, 3, 16, 12, 56, 32, 0, time.UTC), time.Date(2262, 4, 11, 23, 47, 17, 0, time.UTC),
		time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2446, 5, 10, 22, 38, 54, 0, time.UTC), time.Date(2447, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(30828, 9, 14, 2, 48, 5, 0, time.UTC), time.Unix(1<<40, 0).UTC(), time.Unix(1<<41, 0).UTC(),
	}
	var part bytes.Buffer
	w, err := NewWriter(&part, backup.CA, func(backup.CatalogEntry) error { return nil })
	require.NoError(t, err)
	for i, when := range times {
		name := "f" + string(rune('a'+i))
		require.NoError(t, w.File(backup.Item{Kind: "file", ID: name, Name: name}, collect.FileInfo{Path: "d/" + name, Size: 1, ModTime: when}, strings.NewReader("x")))
	}
	_, err = w.Close()
	require.NoError(t, err)
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	noted := map[string]time.Time{}
	stored := map[string]time.Time{}
	n, err := ExtractNoting(&part, root, DefaultLimits(), func(e Entry) bool { stored[e.Path] = e.ModTime; return true }, func(e Entry, now time.Time) { noted[e.Path] = now })
	require.NoError(t, err)
	require.Equal(t, int64(len(times)), n)
	for i, when := range times {
		name := "d/f" + string(rune('a'+i))
		want := time.Unix(when.Unix(), 0).UTC()
		require.True(t, want.Equal(stored[name]), "%s is stored as %s", when, stored[name])
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		if other, inexact := noted[name]; inexact {
			require.Equal(t, want.Unix() < 0, other.Unix() < 0, "%s became %s", when, other)
			continue
		}
		require.True(t, want.Equal(info.ModTime()), "%s became %s", when, info.ModTime())
	}
	// What every file system keeps is exact.
	require.NotContains(t, noted, "d/fg")
}
