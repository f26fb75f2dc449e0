package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

func TestHeadersNeedNoOwnerAndKeepExtremes(t *testing.T) {
	for name, tc := range map[string]struct {
		path string
		size int64
		time time.Time
	}{
		"plain":            {"a/b", 5, testTime},
		"no time":          {"a/b", 5, time.Time{}},
		"before 1970":      {"a/b", 5, time.Unix(-86400, 999)},
		"larger than 8GiB": {"a/b", 9 << 30, testTime},
		"far future":       {"a/b", 5, time.Unix(1<<36, 0)},
		"long non-UTF-8":   {strings.Repeat("\xff", 200), 5, testTime},
	} {
		t.Run(name, func(t *testing.T) {
			var plain bytes.Buffer
			w, err := NewWriter(io.Discard, backup.CA, nil)
			require.NoError(t, err)
			w.tar = tar.NewWriter(&plain)
			_, err = w.header(tc.path, tc.size, fs.ModeSetuid|0o755, tc.time)
			require.NoError(t, err)
			h, err := tar.NewReader(&plain).Next()
			require.NoError(t, err)
			e, err := checkEntry(h, DefaultLimits())
			require.NoError(t, err)
			want := int64(0)
			if !tc.time.IsZero() {
				want = tc.time.Unix()
			}
			require.Equal(t, Entry{Path: tc.path, Size: tc.size, Mode: 0o755, ModTime: time.Unix(want, 0).UTC()}, e)
			require.Zero(t, h.Uid+h.Gid)
			require.Empty(t, h.Uname+h.Gname)
			require.NotEqual(t, tar.FormatGNU, h.Format)
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	sink := errors.New("disk")
	ok := backup.Item{Kind: "file", ID: "1"}
	file := func(path string) func(*Writer) error {
		return func(w *Writer) error {
			return w.File(ok, collect.FileInfo{Path: path}, strings.NewReader(""))
		}
	}
	both := func(a, b func(*Writer) error) func(*Writer) error {
		return func(w *Writer) error { return errors.Join(a(w), b(w)) }
	}
	for name, tc := range map[string]struct {
		do   func(*Writer) error
		want error
	}{
		"absolute":      {file("/etc/passwd"), fault.SourceInvalid},
		"traversal":     {file("a/../../b"), fault.SourceInvalid},
		"dot":           {file("./a"), fault.SourceInvalid},
		"empty":         {file(""), fault.SourceInvalid},
		"folder":        {file("a/"), fault.SourceInvalid},
		"NUL":           {file("a\x00b"), fault.SourceInvalid},
		"long element":  {file(strings.Repeat("x", 256)), fault.SourceInvalid},
		"twice":         {both(file("a/b"), file("a/b")), fault.SourceInvalid},
		"file in file":  {both(file("a"), file("a/b")), fault.SourceInvalid},
		"file for dir":  {both(file("a/b"), file("a")), fault.SourceInvalid},
		"short file":    {func(w *Writer) error { return w.File(ok, collect.FileInfo{Path: "a", Size: 2}, strings.NewReader("x")) }, fault.SourceIncomplete},
		"broken source": {func(w *Writer) error { return w.File(ok, collect.FileInfo{Path: "a", Size: 2}, &failing{err: sink}) }, sink},
		"bad kind":      {func(w *Writer) error { return w.Record(backup.Item{Kind: "../x", ID: "1"}, []byte("1")) }, fault.Internal},
		"no id":         {func(w *Writer) error { return w.Record(backup.Item{Kind: "x"}, []byte("1")) }, fault.Internal},
		"line break":    {func(w *Writer) error { return w.Record(ok, []byte("{\n}")) }, fault.Internal},
		"huge record":   {func(w *Writer) error { return w.Record(ok, make([]byte, maxRecord+1)) }, fault.LimitExceeded},
		"batch's place": {both(file("x/000001.jsonl"), func(w *Writer) error {
			return errors.Join(w.Record(backup.Item{Kind: "x", ID: "1"}, []byte("1")), w.Record(ok, []byte("1")))
		}), fault.SourceInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := NewWriter(io.Discard, backup.CA, func(backup.CatalogEntry) error { return nil })
			require.NoError(t, err)
			first := tc.do(w)
			require.ErrorIs(t, first, tc.want)
			_, err = w.Close()
			require.ErrorIs(t, err, tc.want, "an error is final")
		})
	}
}

func TestErrorsOfDiskAndCatalogComeBackAsTheyAre(t *testing.T) {
	disk := errors.New("disk")
	w, err := NewWriter(&failing{err: disk}, backup.CA, func(backup.CatalogEntry) error { return nil })
	require.NoError(t, err)
	require.NoError(t, w.Record(backup.Item{Kind: "x", ID: "1"}, []byte("1")))
	_, err = w.Close()
	require.ErrorIs(t, err, disk)

	w, err = NewWriter(io.Discard, backup.CA, func(backup.CatalogEntry) error { return disk })
	require.NoError(t, err)
	err = w.File(backup.Item{Kind: "x", ID: "1"}, collect.FileInfo{Path: "a"}, strings.NewReader(""))
	require.Equal(t, disk, err)

	p := writePart(t)
	for _, lost := range []error{disk, fmt.Errorf("the server went away: %w", io.EOF)} {
		cut := io.MultiReader(bytes.NewReader(p.zst[:len(p.zst)/2]), &failing{err: lost})
		err = Walk(cut, DefaultLimits(), func(_ Entry, body io.Reader) error {
			_, err := io.Copy(io.Discard, body)
			return err
		})
		require.ErrorIs(t, err, lost)
		require.NotErrorIs(t, err, fault.BackupDamaged, "a lost connection is no damage")
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error)  { return 0, f.err }
func (f *failing) Write([]byte) (int, error) { return 0, f.err }

func TestGapsAreBounded(t *testing.T) {
	w, err := NewWriter(io.Discard, backup.CA, nil)
	require.NoError(t, err)
	for i := range 50_000 {
		w.Gap(backup.Gap{Code: "WRITE_ONLY", Object: fmt.Sprint("secret ", i), Reason: "cannot be read"})
	}
	w.Gap(backup.Gap{Code: "OTHER", Object: "x", Reason: "y", Count: 5})
	for i := range 1000 {
		w.Gap(backup.Gap{Code: fmt.Sprint("CODE_", i)})
	}
	s, err := w.Close()
	require.NoError(t, err)
	require.LessOrEqual(t, len(s.Gaps), maxGaps+100, "and some for the codes of the rest")
	total := int64(0)
	for _, g := range s.Gaps {
		total += max(g.Count, 1)
	}
	require.EqualValues(t, 51_005, total, "none is lost")
	require.Less(t, len(fmt.Sprint(s.Gaps)), 2*maxGapBytes)
}
