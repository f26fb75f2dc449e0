package archive

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// compress makes a zstd stream of anything, without the index of a part.
func compress(t testing.TB, plain []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, enc.Close()) }()
	return enc.EncodeAll(plain, nil)
}

// tarOf makes a tar stream of headers, each followed by as many zeros as it says.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		require.NoError(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.CopyN(w, zeros{}, h.Size)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func regular(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 10, Mode: 0o600}
}

// rleFrames makes n frames of 128 MiB of zeros in 4 KiB each, by RLE blocks (RFC
// 8878, 3.1.1.2).
func rleFrames(n int) []byte {
	frame := []byte{0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x38} // no content size, window of 128 KiB
	for i := range 1024 {
		last := 0
		if i == 1023 {
			last = 1
		}
		h := uint32(last | 1<<1 | 128<<10<<3)
		frame = append(frame, byte(h), byte(h>>8), byte(h>>16), 0)
	}
	return bytes.Repeat(frame, n)
}

func discard(_ Entry, body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err
}

func TestWalkRefuses(t *testing.T) {
	good := tarOf(t, regular("a"), regular("b"))
	limits := Limits{Entries: 100, EntryBytes: 1 << 20, TotalBytes: 2 << 20}
	pax := regular("sparse")
	pax.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "y"}
	hardlink, symlink, device := regular("h"), regular("s"), regular("d")
	hardlink.Typeflag, hardlink.Linkname, hardlink.Size = tar.TypeLink, "a", 0
	symlink.Typeflag, symlink.Linkname, symlink.Size = tar.TypeSymlink, "/etc", 0
	device.Typeflag, device.Size = tar.TypeChar, 0
	many := make([]tar.Header, 101)
	for i := range many {
		many[i] = regular(fmt.Sprint(i))
	}
	big := regular("big")
	big.Size = 1<<20 + 1
	endlessPAX := tarOf(t, regular("x"))
	endlessPAX[156] = tar.TypeXHeader
	copy(endlessPAX[124:136], "77777777777\x00")
	fixChecksum(endlessPAX)
	sparse := tarOf(t, regular("x"))
	sparse[156] = tar.TypeGNUSparse
	fixChecksum(sparse)

	for name, tc := range map[string]struct {
		zst  []byte
		want fault.Code
	}{
		"nothing":             {nil, fault.BackupDamaged},
		"no zstd":             {[]byte("hello, this is no zstd stream"), fault.BackupDamaged},
		"no tar":              {compress(t, bytes.Repeat([]byte("x"), 4096)), fault.BackupDamaged},
		"cut zstd":            {compress(t, good)[:20], fault.BackupDamaged},
		"cut tar":             {compress(t, good[:700]), fault.BackupDamaged},
		"no end":              {compress(t, good[:len(good)-1024]), fault.BackupDamaged},
		"half an end":         {compress(t, good[:len(good)-512]), fault.BackupDamaged},
		"hidden behind end":   {compress(t, append(bytes.Clone(good), good...)), fault.BackupDamaged},
		"zeros behind end":    {compress(t, append(bytes.Clone(good), make([]byte, 512)...)), fault.BackupDamaged},
		"traversal":           {compress(t, tarOf(t, regular("../evil"))), fault.BackupDamaged},
		"inner traversal":     {compress(t, tarOf(t, regular("a/../../evil"))), fault.BackupDamaged},
		"absolute":            {compress(t, tarOf(t, regular("/etc/passwd"))), fault.BackupDamaged},
		"symlink":             {compress(t, tarOf(t, symlink)), fault.BackupDamaged},
		"hardlink":            {compress(t, tarOf(t, hardlink)), fault.BackupDamaged},
		"device":              {compress(t, tarOf(t, device)), fault.BackupDamaged},
		"folder":              {compress(t, tarOf(t, tar.Header{Typeflag: tar.TypeDir, Name: "d/"})), fault.BackupDamaged},
		"foreign PAX":         {compress(t, tarOf(t, pax)), fault.BackupDamaged},
		"global PAX":          {compress(t, tarOf(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "x"}})), fault.BackupDamaged},
		"sparse":              {compress(t, sparse), fault.BackupDamaged},
		"endless PAX":         {compress(t, endlessPAX), fault.BackupDamaged},
		"too many":            {compress(t, tarOf(t, many...)), fault.LimitExceeded},
		"too large":           {compress(t, tarOf(t, big)), fault.LimitExceeded},
		"bomb":                {rleFrames(8000), fault.BackupDamaged}, // a tar of zeros has an end at once and 1 TiB behind it
		"bomb behind header":  {append(compress(t, headerOf(t, 1<<20)), rleFrames(8000)...), fault.BackupDamaged},
		"window of 1 GiB":     {[]byte{0x28, 0xB5, 0x2F, 0xFD, 0x00, 20 << 3, 1, 0, 0}, fault.LimitExceeded},
		"content of 1 TiB":    {[]byte{0x28, 0xB5, 0x2F, 0xFD, 0xE0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0}, fault.LimitExceeded},
		"endless skippable":   {[]byte{0x50, 0x2A, 0x4D, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3}, fault.BackupDamaged},
		"larger than allowed": {compress(t, tarOf(t, fill("a"), fill("b"), fill("c"))), fault.LimitExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			err := Walk(bytes.NewReader(tc.zst), limits, discard)
			require.ErrorIs(t, err, tc.want)
			require.Less(t, heap(), before+32<<20, "memory is bounded")

			dir := t.TempDir()
			root, err := os.OpenRoot(dir)
			require.NoError(t, err)
			_, err = Extract(bytes.NewReader(tc.zst), root, limits, nil)
			require.ErrorIs(t, err, tc.want)
			require.NoError(t, root.Close())
			require.NoFileExists(t, filepath.Join(filepath.Dir(dir), "evil"))
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range left {
				require.True(t, e.Type().IsRegular(), e.Name())
			}
		})
	}
}

func fill(name string) tar.Header {
	h := regular(name)
	h.Size = 1 << 20
	return h
}

// headerOf is a tar header without the bytes that it announces.
func headerOf(t testing.TB, size int64) []byte {
	h := regular("bomb")
	h.Size = size
	return tarOf(t, h)[:tarBlock]
}

// fixChecksum makes a header valid again that was changed (POSIX.1-2024, pax).
func fixChecksum(block []byte) {
	copy(block[148:156], "        ")
	sum := 0
	for _, b := range block[:tarBlock] {
		sum += int(b)
	}
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

func TestExtractLeavesNoPartOfAFile(t *testing.T) {
	whole := tarOf(t, regular("whole"), fill("broken"))
	zst := compress(t, whole[:len(whole)-1<<19])
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	n, err := Extract(bytes.NewReader(zst), root, DefaultLimits(), nil)
	require.ErrorIs(t, err, fault.BackupDamaged)
	require.EqualValues(t, 1, n)
	require.NoFileExists(t, filepath.Join(dir, "broken"))
	require.FileExists(t, filepath.Join(dir, "whole"))
	require.NoError(t, root.Close())
}

func TestExtractStaysInItsFolder(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "target"), filepath.Join(dir, "file")))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	for _, path := range []string{"link/evil", "file"} {
		_, err = Extract(bytes.NewReader(compress(t, tarOf(t, regular(path)))), root, DefaultLimits(), nil)
		require.Error(t, err, path)
	}
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, left)

	_, err = Extract(bytes.NewReader(compress(t, tarOf(t, regular("x"), regular("x")))), root, DefaultLimits(), nil)
	require.ErrorIs(t, err, fault.AlreadyExists, "a path that comes twice")
}

func TestReaderRefusesForeignIndexes(t *testing.T) {
	le := binary.LittleEndian
	plain := bytes.Repeat([]byte("x"), 1000)
	frameBytes := compress(t, plain)
	good := append(bytes.Clone(frameBytes), encodeIndex([]span{{uint32(len(frameBytes)), 1000}})...)
	_, err := NewReader(bytes.NewReader(good), int64(len(good)))
	require.NoError(t, err)
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for name, zst := range map[string][]byte{
		"nothing":            nil,
		"short":              good[len(good)-5:],
		"cut":                good[:len(good)-1],
		"extended":           append(bytes.Clone(good), 0),
		"byte before":        append([]byte{0}, good...),
		"four billion":       change(func(b []byte) []byte { le.PutUint32(b[len(b)-9:], 1<<32-1); return b }),
		"a million":          change(func(b []byte) []byte { le.PutUint32(b[len(b)-9:], maxFrames); return b }),
		"none":               change(func(b []byte) []byte { le.PutUint32(b[len(b)-9:], 0); return b }),
		"descriptor":         change(func(b []byte) []byte { b[len(b)-5] = 0x80; return b }),
		"frame of 4 GiB":     append(bytes.Clone(frameBytes), encodeIndex([]span{{uint32(len(frameBytes)), 1<<32 - 1}})...),
		"frame of nothing":   append(bytes.Clone(frameBytes), encodeIndex([]span{{uint32(len(frameBytes)), 0}})...),
		"encoded as nothing": append(bytes.Clone(frameBytes), encodeIndex([]span{{0, 1000}})...),
		"too large encoded":  append(bytes.Clone(frameBytes), encodeIndex([]span{{maxEncodedFrame + 1, 1000}})...),
		"short inner frame":  append(bytes.Clone(frameBytes), encodeIndex([]span{{10, 1000}, {uint32(len(frameBytes)) - 10, 1000}})...),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewReader(bytes.NewReader(zst), int64(len(zst)))
			require.ErrorIs(t, err, fault.BackupDamaged)
		})
	}
	entry := backup.CatalogEntry{Item: backup.Item{ID: "x"}, Length: 500, SHA256: strings.Repeat("0", 64)}
	for name, s := range map[string]span{
		"another length":  {uint32(len(frameBytes)), 999},
		"bomb in a frame": {uint32(len(rleFrames(1))), frameSize},
	} {
		t.Run(name, func(t *testing.T) {
			zst := bytes.Clone(frameBytes)
			if s.plain == frameSize {
				zst = rleFrames(1)
			}
			zst = append(zst, encodeIndex([]span{s})...)
			r, err := NewReader(bytes.NewReader(zst), int64(len(zst)))
			require.NoError(t, err)
			before := heap()
			require.ErrorIs(t, r.ReadItem(entry, io.Discard), fault.BackupDamaged)
			require.Less(t, heap(), before+8<<20)
			require.NoError(t, r.Close())
		})
	}
}
