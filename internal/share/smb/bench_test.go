package smb_test

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The throughput of one large part to and from a real server on a RAM disk. It
// compares with `smbclient -c 'put …'`; both run on the same processors. The processor time
// is that of the client alone.
func BenchmarkTransfer(b *testing.B) {
	const size = 1 << 30
	folder, err := os.MkdirTemp("/dev/shm", "infrabackup-bench-")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, os.RemoveAll(folder)) })
	server := startSamba(b, folder)
	store := server.open()
	ctx := b.Context()
	b.Run("upload", func(b *testing.B) {
		b.SetBytes(size)
		defer reportProcessorTime(b)()
		for b.Loop() {
			require.NoError(b, store.Upload(ctx, "part", zeros{}, 0, size, nil))
		}
	})
	b.Run("download", func(b *testing.B) {
		b.SetBytes(size)
		defer reportProcessorTime(b)()
		for b.Loop() {
			n, err := store.Download(ctx, "part", 0, io.Discard)
			require.NoError(b, err)
			require.EqualValues(b, size, n)
		}
	})
}

// zeros costs the source nothing.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

// reportProcessorTime measures until what it returns is called.
func reportProcessorTime(b *testing.B) func() {
	before := processorTime(b)
	return func() { b.ReportMetric((processorTime(b)-before).Seconds()/float64(b.N), "cpu-s/op") }
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
