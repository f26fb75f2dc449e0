package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/types/known/timestamppb"

	"infrabackup/internal/config"
	"infrabackup/internal/flow"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab"
)

func poller(identity string, at int64) *taskqueuepb.PollerInfo {
	return &taskqueuepb.PollerInfo{Identity: identity, LastAccessTime: timestamppb.New(time.Unix(at, 0))}
}

func TestTwin(t *testing.T) {
	for name, test := range map[string]struct {
		looks [][]*taskqueuepb.PollerInfo
		want  string
	}{
		"alone":                   {[][]*taskqueuepb.PollerInfo{{poller("self", 100)}, {poller("self", 160)}}, ""},
		"not there yet":           {[][]*taskqueuepb.PollerInfo{{poller("other", 100)}}, ""},
		"its former self":         {[][]*taskqueuepb.PollerInfo{{poller("former", 99), poller("self", 100)}, {poller("former", 99), poller("self", 160)}}, ""},
		"one that came later":     {[][]*taskqueuepb.PollerInfo{{poller("self", 100)}, {poller("self", 160), poller("other", 130)}}, "other"},
		"one that was there":      {[][]*taskqueuepb.PollerInfo{{poller("other", 99), poller("self", 100)}, {poller("other", 159), poller("self", 160)}}, "other"},
		"one that has gone again": {[][]*taskqueuepb.PollerInfo{{poller("self", 100), poller("other", 130)}, {poller("self", 160)}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var now []*taskqueuepb.PollerInfo
			twin := &twins{self: "self", describe: func(context.Context) ([]*taskqueuepb.PollerInfo, error) { return now, nil }}
			var found string
			for _, now = range test.looks {
				var err error
				found, err = twin.look(t.Context())
				require.NoError(t, err)
			}
			require.Equal(t, test.want, found)
		})
	}
}

// Two workers with one host name on a real server: the first one notices the second, and
// says so once.
func TestASecondWorkerWithTheSameHostIsNoticed(t *testing.T) {
	address := lab.Temporal(t)
	name := "twin-" + strings.ToLower(rand.Text()[:8]) // the server is shared
	configuration := &config.Worker{Instance: config.Instance{Name: name}, Host: "same"}
	start := func() *twins {
		c, err := temporal.Dial(t.Context(), temporal.Options{Address: address, Codec: testCodec(t), Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		t.Cleanup(c.Close)
		twin := newTwins(c, configuration)
		w := worker.New(c, flow.SpoolQueue(name, "same"), worker.Options{Identity: twin.self, DisableWorkflowWorker: true})
		flow.ReleaseSpool.Register(w, func(context.Context, flow.ReleaseSpoolInput) (struct{}, error) { return struct{}{}, nil })
		require.NoError(t, w.Start())
		t.Cleanup(w.Stop)
		require.Eventually(t, func() bool {
			_, err := twin.look(t.Context())
			return err == nil && !twin.since.IsZero()
		}, 30*time.Second, 20*time.Millisecond)
		return twin
	}
	first := start()
	found, err := first.look(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
	second := start()
	require.NotEqual(t, first.self, second.self)
	require.Eventually(t, func() bool {
		found, err := first.look(t.Context())
		return err == nil && found == second.self
	}, 30*time.Second, 20*time.Millisecond)

	log := &output{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		first.watch(ctx, slog.New(slog.NewTextHandler(log, nil)))
		close(done)
	}()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "the same host name") }, 30*time.Second, 10*time.Millisecond)
	cancel()
	<-done
}
