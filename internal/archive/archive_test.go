package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	seekable "github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
	"infrabackup/tests/tier"
)

var testTime = time.Date(2026, 11, 22, 8, 30, 0, 123456789, time.FixedZone("", 3600))

func noise(n int, seed byte) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

// part is a part as a test wrote it, with everything that went into it.
type part struct {
	zst     []byte
	entries []backup.CatalogEntry
	summary Summary
	items   map[string][]byte // bytes by item ID
	files   map[string][]byte // bytes by tar path, of files only
}

// awkward are paths that a source may have and that must survive.
var awkward = []string{
	"ca/newcerts/1000.pem", "ca/empty", "-rf", "with space/and\nnewline", "back\\slash", "ünïcode/日本語",
	"not-utf8/\xff\xfe", "long/" + strings.Repeat("x", 250), "deep/" + strings.Repeat("d/", 100) + "file",
}

func writePart(t testing.TB) part {
	t.Helper()
	p := part{items: map[string][]byte{}, files: map[string][]byte{}}
	var out bytes.Buffer
	w, err := NewWriter(&out, backup.CA, func(e backup.CatalogEntry) error {
		p.entries = append(p.entries, e)
		return nil
	})
	require.NoError(t, err)
	record := func(kind, id string, doc []byte, supersedes bool) {
		require.NoError(t, w.Record(backup.Item{Kind: kind, ID: id, Name: "the " + id, Supersedes: supersedes}, doc))
		p.items[id] = bytes.Clone(doc)
	}
	file := func(path string, data []byte) {
		item := backup.Item{Kind: "file", ID: path, Name: path}
		require.NoError(t, w.File(item, collect.FileInfo{Path: path, Size: int64(len(data)), Mode: 0o640, ModTime: testTime}, bytes.NewReader(data)))
		p.items[path], p.files[path] = data, data
	}
	for i := range 30_000 {
		record("directory-object", fmt.Sprint("object-", i), fmt.Appendf(nil, `{"dn":"CN=User %d,DC=example","mail":"u%d@example.com"}`, i, i), i == 7)
	}
	record("big", "huge", append([]byte(`"`), bytes.Repeat([]byte("a"), 3<<20)...), false)
	record("big", "after-huge", []byte(`{}`), false)
	for i, path := range awkward {
		file(path, noise(i*i*i*3000, byte(i))) // from nothing to several frames
		record("between", "record beside "+path, []byte(`{"a":1}`), false)
	}
	record("directory-object", "object-late", []byte(`{"late":true}`), false)
	w.Gap(backup.Gap{Code: "KEY_NOT_EXPORTABLE", Object: "ca.key", Reason: "in an HSM"})
	p.summary, err = w.Close()
	require.NoError(t, err)
	p.zst = out.Bytes()
	return p
}

func TestSameInputGivesSameBytes(t *testing.T) {
	a, b := writePart(t), writePart(t)
	require.True(t, bytes.Equal(a.zst, b.zst))
	require.Equal(t, a.entries, b.entries)
}

func TestSummaryCountsWhatIsThere(t *testing.T) {
	p := writePart(t)
	require.EqualValues(t, len(p.items)-1, p.summary.Items, "the record that supersedes is no new item")
	require.Len(t, p.entries, len(p.items))
	require.Equal(t, []backup.Gap{{Code: "KEY_NOT_EXPORTABLE", Object: "ca.key", Reason: "in an HSM"}}, p.summary.Gaps)
	plain, err := decodeAll(p.zst)
	require.NoError(t, err)
	require.EqualValues(t, len(plain), p.summary.PlainBytes)
}

func decodeAll(zst []byte) ([]byte, error) {
	dec, err := zstd.NewReader(bytes.NewReader(zst))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return io.ReadAll(dec)
}

func TestCatalogNamesEveryItemsPlace(t *testing.T) {
	p := writePart(t)
	plain, err := decodeAll(p.zst)
	require.NoError(t, err)
	last := int64(0)
	for _, e := range p.entries {
		require.GreaterOrEqual(t, e.Offset, last, "catalog and part are in the same order")
		last = e.Offset + e.Length
		require.True(t, bytes.Equal(p.items[e.ID], plain[e.Offset:last]), e.ID)
		sum := sha256.Sum256(p.items[e.ID])
		require.Equal(t, hex.EncodeToString(sum[:]), e.SHA256)
		require.Equal(t, backup.CA, e.Service)
	}
}

func TestReaderReadsSingleItems(t *testing.T) {
	p := writePart(t)
	counting := &countingAt{r: bytes.NewReader(p.zst)}
	r, err := NewReader(counting, int64(len(p.zst)))
	require.NoError(t, err)
	for i, e := range p.entries {
		if i%97 != 0 && e.Kind == "directory-object" {
			continue
		}
		var out bytes.Buffer
		require.NoError(t, r.ReadItem(e, &out), e.ID)
		require.True(t, bytes.Equal(p.items[e.ID], out.Bytes()), e.ID)
	}
	require.NoError(t, r.Close())

	r, err = NewReader(counting, int64(len(p.zst)))
	require.NoError(t, err)
	counting.n = 0
	require.NoError(t, r.ReadItem(p.entries[len(p.entries)/2], io.Discard))
	require.LessOrEqual(t, counting.n, int64(maxEncodedFrame), "a small item costs one frame")

	wrong := p.entries[0]
	wrong.SHA256 = p.entries[1].SHA256
	require.ErrorIs(t, r.ReadItem(wrong, io.Discard), fault.BackupDamaged)
	for _, place := range [][2]int64{{-1, 1}, {0, -1}, {1 << 62, 1 << 62}, {p.summary.PlainBytes, 1}, {0, p.summary.PlainBytes + 1}} {
		wrong.Offset, wrong.Length = place[0], place[1]
		require.ErrorIs(t, r.ReadItem(wrong, io.Discard), fault.BackupDamaged, place)
	}
}

type countingAt struct {
	r io.ReaderAt
	n int64
}

func (c *countingAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

// TestAnotherReaderOfTheSeekableFormat makes sure that the index is the one that
// other programs know, with an implementation that is not ours.
func TestAnotherReaderOfTheSeekableFormat(t *testing.T) {
	p := writePart(t)
	dec, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer dec.Close()
	r, err := seekable.NewReader(bytes.NewReader(p.zst), dec)
	require.NoError(t, err)
	for _, e := range p.entries[len(p.entries)-10:] {
		got := make([]byte, e.Length)
		_, err := r.ReadAt(got, e.Offset)
		require.NoError(t, err)
		require.True(t, bytes.Equal(p.items[e.ID], got), e.ID)
	}
	require.NoError(t, r.Close())
}

func TestWalkAndExtractGiveBackWhatWasWritten(t *testing.T) {
	p := writePart(t)
	seen := map[string]bool{}
	err := Walk(bytes.NewReader(p.zst), DefaultLimits(), func(e Entry, body io.Reader) error {
		require.False(t, seen[e.Path], e.Path)
		seen[e.Path] = true
		want, ok := p.files[e.Path]
		if !ok {
			return nil // a batch, left unread on purpose
		}
		require.Equal(t, fs.FileMode(0o640), e.Mode)
		require.Equal(t, testTime.Unix(), e.ModTime.Unix())
		require.EqualValues(t, len(want), e.Size)
		got, err := io.ReadAll(body)
		require.True(t, bytes.Equal(want, got), e.Path)
		return err
	})
	require.NoError(t, err)
	require.Subset(t, keys(seen), keys(p.files))
	require.True(t, seen["directory-object/000001.jsonl"] && seen["directory-object/000002.jsonl"] && seen["big/000002.jsonl"])

	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	n, err := Extract(bytes.NewReader(p.zst), root, DefaultLimits(), func(e Entry) bool { return p.files[e.Path] != nil || e.Size == 0 })
	require.NoError(t, err)
	require.EqualValues(t, len(p.files), n)
	compareTree(t, dir, p.files)
	info, err := os.Stat(filepath.Join(dir, "ca/newcerts/1000.pem"))
	require.NoError(t, err)
	require.Equal(t, testTime.Unix(), info.ModTime().Unix())
	require.Equal(t, fs.FileMode(0o600), info.Mode())

	_, err = Extract(bytes.NewReader(p.zst), root, DefaultLimits(), nil)
	require.ErrorIs(t, err, fault.AlreadyExists, "nothing is overwritten")
	compareTree(t, dir, p.files)
}

func keys[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}

func compareTree(t *testing.T, dir string, want map[string][]byte) {
	t.Helper()
	for path, data := range want {
		got, err := os.ReadFile(filepath.Join(dir, path))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got), path)
	}
}

// requireTool finds a stock tool. Without it the test is skipped, unless the
// environment says that all of them have to be there.
func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("INFRABACKUP_REQUIRE_LAB") == "1" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
}

func TestStockToolsOpenAPart(t *testing.T) {
	requireTool(t, "zstd")
	requireTool(t, "tar")
	p := writePart(t)
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", "zstd -dc | tar xf -")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(p.zst)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, string(out), "no warnings")
	compareTree(t, dir, p.files)
	lines, err := os.ReadFile(filepath.Join(dir, "directory-object/000001.jsonl"))
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(lines, append(p.items["object-0"], '\n')))
}

// TestMemoryStaysFlat writes and walks 256 MiB of zeros and looks at the heap.
func TestMemoryStaysFlat(t *testing.T) {
	tier.Weighs(t)
	const size = 256 << 20
	pr, pw := io.Pipe()
	written := make(chan error, 1)
	go func() {
		w, err := NewWriter(pw, backup.CA, func(backup.CatalogEntry) error { return nil })
		if err == nil {
			err = w.File(backup.Item{Kind: "file", ID: "1"}, collect.FileInfo{Path: "zeros", Size: size}, zeros{})
		}
		if err == nil {
			_, err = w.Close()
		}
		pw.CloseWithError(err)
		written <- err
	}()
	before := heap()
	peak := uint64(0)
	err := Walk(pr, DefaultLimits(), func(_ Entry, body io.Reader) error {
		buf := make([]byte, 1<<20)
		for i := 0; ; i++ {
			_, err := body.Read(buf)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if i%500 == 0 {
				peak = max(peak, heap())
			}
		}
	})
	require.NoError(t, err)
	require.NoError(t, <-written)
	require.Less(t, peak, before+48<<20)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
