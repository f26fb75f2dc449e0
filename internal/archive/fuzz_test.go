package archive

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

// smallPart is a part that a fuzzer can change quickly.
func smallPart(t testing.TB) (zst []byte, entries []backup.CatalogEntry) {
	var out bytes.Buffer
	w, err := NewWriter(&out, backup.CA, func(e backup.CatalogEntry) error {
		entries = append(entries, e)
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, w.Record(backup.Item{Kind: "x", ID: "1"}, []byte(`{"a":1}`)))
	for _, path := range []string{"a/b", "long/" + strings.Repeat("\xff", 120)} {
		require.NoError(t, w.File(backup.Item{Kind: "file", ID: path}, collect.FileInfo{Path: path, Size: 5}, strings.NewReader("hello")))
	}
	_, err = w.Close()
	require.NoError(t, err)
	return out.Bytes(), entries
}

// onlyKnownFaults accepts the faults that reading hostile data may end with.
func onlyKnownFaults(t *testing.T, err error) {
	t.Helper()
	switch code := fault.CodeOf(err); code {
	case "", fault.BackupDamaged, fault.LimitExceeded, fault.FormatUnknown, fault.AlreadyExists:
	default:
		t.Fatalf("%s: %v", code, err)
	}
}

func FuzzWalk(f *testing.F) {
	zst, _ := smallPart(f)
	f.Add(zst)
	f.Add(compress(f, tarOf(f, regular("../evil"))))
	f.Add(rleFrames(1))
	f.Fuzz(func(t *testing.T, data []byte) {
		onlyKnownFaults(t, Walk(bytes.NewReader(data), Limits{Entries: 100, EntryBytes: 1 << 20, TotalBytes: 4 << 20}, discard))
	})
}

// FuzzWalkTar changes the archive below zstd, where a fuzzer would hardly get
// through the checksums, and extracts it.
func FuzzWalkTar(f *testing.F) {
	zst, _ := smallPart(f)
	plain, err := decodeAll(zst)
	require.NoError(f, err)
	f.Add(plain)
	f.Add(tarOf(f, regular("a/../../evil"), regular("/abs")))
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := os.OpenRoot(t.TempDir())
		require.NoError(t, err)
		defer func() { require.NoError(t, root.Close()) }()
		_, err = Extract(bytes.NewReader(enc.EncodeAll(data, nil)), root, Limits{Entries: 20, EntryBytes: 1 << 16, TotalBytes: 1 << 20}, func(e Entry) bool {
			require.NoError(t, checkPath(e.Path))
			return true
		})
		onlyKnownFaults(t, err)
	})
}

func FuzzReader(f *testing.F) {
	zst, entries := smallPart(f)
	f.Add(zst, entries[0].Offset, entries[0].Length)
	f.Add(zst, int64(-1), int64(1<<62))
	f.Fuzz(func(t *testing.T, data []byte, offset, length int64) {
		r, err := NewReader(bytes.NewReader(data), int64(len(data)))
		onlyKnownFaults(t, err)
		if err != nil {
			return
		}
		entry := entries[0]
		entry.Offset, entry.Length = offset, length
		onlyKnownFaults(t, r.ReadItem(entry, io.Discard))
		require.NoError(t, r.Close())
	})
}

func FuzzReadCatalog(f *testing.F) {
	linked := catalogEntry(2)
	linked.Aliases, linked.References = []string{"sid:1"}, []backup.Reference{{Relation: "disk", Service: backup.CRP, Target: "/a"}}
	plain, err := decodeAll(writeCatalog(f, catalogEntry(1), linked))
	require.NoError(f, err)
	f.Add(plain, false)
	f.Add(writeCatalog(f, catalogEntry(1)), true)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte, raw bool) {
		if !raw {
			data = enc.EncodeAll(data, nil)
		}
		entries, err := readCatalog(data)
		onlyKnownFaults(t, err)
		if err == nil {
			again, err := readCatalog(writeCatalog(t, entries...))
			require.NoError(t, err)
			require.Equal(t, entries, again)
		}
	})
}
