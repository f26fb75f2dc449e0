package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/flow"
)

// slow is a source that gives an item, and then waits to be cancelled.
type slow struct {
	fixed
	begun chan struct{}
}

func (s *slow) Collect(ctx context.Context, sink collect.Sink) (collect.Capture, error) {
	if _, err := s.fixed.Collect(ctx, sink); err != nil {
		return collect.Capture{}, err
	}
	close(s.begun)
	<-ctx.Done()
	_, err := s.fixed.Collect(ctx, sink) // what it had in hand
	return collect.Capture{}, err
}

// TestALateCaptureLeavesItsSuccessorAlone: an attempt that nobody waits for any more ends
// when the next one has captured the service on the same host.
func TestALateCaptureLeavesItsSuccessorAlone(t *testing.T) {
	b := newBench(t)
	source := &slow{fixed{service: backup.AD, items: []backup.Item{principal("1", "sid:1")}}, make(chan struct{})}
	in := flow.CollectInput{BackupID: b.in.BackupID, Service: backup.AD, Recipient: b.in.Recipient, WorkKeyID: b.in.WorkKeyID}
	b.a.Host = "host"
	b.a.collectors[backup.AD] = source
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := b.a.Collect(context.WithValue(ctx, heartbeaterKey{}, &heartbeater{}), in)
		ended <- err
	}()
	<-source.begun

	next := *b.a
	next.collectors = map[backup.Service]collect.Collector{backup.AD: &source.fixed}
	out, err := next.Collect(context.WithValue(t.Context(), heartbeaterKey{}, &heartbeater{}), in)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	for _, want := range []backup.File{out.Part, out.Index} {
		file, err := b.a.Spool.Open(in.BackupID, want)
		require.NoError(t, err)
		sum := sha256.New()
		_, err = io.Copy(sum, file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.Equal(t, want.SHA256, hex.EncodeToString(sum.Sum(nil)))
	}
}
