package archive

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
)

// BenchmarkWriterIncompressible is a part made of one large file that zstd cannot
// make smaller, as encrypted blobs and disk images are.
func BenchmarkWriterIncompressible(b *testing.B) {
	data := make([]byte, 64<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	benchmarkFile(b, data)
}

// BenchmarkWriterText is a part made of directory-like text.
func BenchmarkWriterText(b *testing.B) {
	line := []byte("{\"dn\":\"CN=User 0123,OU=People,DC=example,DC=com\",\"objectClass\":[\"top\",\"person\"]}\n")
	benchmarkFile(b, bytes.Repeat(line, 32<<20/len(line)))
}

func benchmarkFile(b *testing.B, data []byte) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		w, err := NewWriter(io.Discard, backup.CA, func(backup.CatalogEntry) error { return nil })
		require.NoError(b, err)
		info := collect.FileInfo{Path: "blob", Size: int64(len(data)), Mode: 0o600}
		require.NoError(b, w.File(backup.Item{Kind: "file", ID: "blob"}, info, bytes.NewReader(data)))
		_, err = w.Close()
		require.NoError(b, err)
	}
}
