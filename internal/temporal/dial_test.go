package temporal

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab"
)

func testCodec(t *testing.T) *codec.Codec {
	t.Helper()
	line, err := codec.GenerateKeyLine("test", rand.Reader)
	require.NoError(t, err)
	ring, err := codec.ParseKeyring([]byte(line))
	require.NoError(t, err)
	return codec.New(ring)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestMain(m *testing.M) { lab.Main(m) }

func TestDialEncryptsEverything(t *testing.T) {
	address := lab.Temporal(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := Dial(ctx, Options{Address: address, Codec: testCodec(t), Logger: quiet()})
	require.NoError(t, err)
	defer c.Close()

	const canary = "canary-secret"
	flow := func(ctx workflow.Context, in string) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute,
			RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
		})
		err := workflow.ExecuteActivity(ctx, "fail", in).Get(ctx, nil)
		return errors.New(err.Error()) // a failure that belongs to the activity is not one of the workflow
	}
	fail := func(_ context.Context, in string) error {
		return temporal.NewApplicationErrorWithCause("no: "+in, "TEST", errors.New("cause: "+in), "detail: "+in)
	}
	w := worker.New(c, "test", worker.Options{})
	w.RegisterWorkflowWithOptions(flow, workflow.RegisterOptions{Name: "flow"})
	w.RegisterActivityWithOptions(fail, activity.RegisterOptions{Name: "fail"})
	require.NoError(t, w.Start())
	defer w.Stop()

	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		TaskQueue: "test", Memo: map[string]any{"note": canary},
	}, "flow", canary)
	require.NoError(t, err)
	require.ErrorContains(t, run.Get(ctx, nil), "no: "+canary, "whoever has the key reads the failure")

	events := 0
	history := c.GetWorkflowHistory(ctx, run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(t, err)
		raw, err := proto.Marshal(event)
		require.NoError(t, err)
		require.NotContains(t, string(raw), canary, "%s", protojson.Format(event))
		events++
	}
	require.Greater(t, events, 5)
}

func TestDialMissingNamespace(t *testing.T) {
	address := lab.Temporal(t)
	_, err := Dial(t.Context(), Options{Address: address, Namespace: "nowhere", Codec: testCodec(t), Logger: quiet()})
	require.ErrorIs(t, err, fault.TemporalUnreachable)
	require.ErrorContains(t, err, `no namespace "nowhere"`)
}

func TestDialRefusedConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())

	_, err = Dial(t.Context(), Options{Address: address, Codec: testCodec(t), Logger: quiet(), ConnectTimeout: 2 * time.Second})
	require.ErrorIs(t, err, fault.TemporalUnreachable)
	require.ErrorContains(t, err, address)
}

// A server that accepts and says nothing must not hold the caller for ever.
func TestDialSilentServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()

	start := time.Now()
	_, err = Dial(t.Context(), Options{Address: listener.Addr().String(), Codec: testCodec(t), Logger: quiet(), ConnectTimeout: 300 * time.Millisecond})
	require.ErrorIs(t, err, fault.TemporalUnreachable)
	require.Less(t, time.Since(start), 10*time.Second)
}

func TestDialGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Dial(ctx, Options{Address: "127.0.0.1:1", Codec: testCodec(t), Logger: quiet()})
	require.ErrorIs(t, err, fault.Cancelled)
}

func TestDialRefusesOptions(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pem")
	require.NoError(t, os.WriteFile(junk, []byte("junk"), 0o600))
	large := filepath.Join(dir, "large.pem")
	require.NoError(t, os.WriteFile(large, nil, 0o600))
	require.NoError(t, os.Truncate(large, maxPEMBytes+1))

	for name, o := range map[string]Options{
		"no codec":              {},
		"API key in clear":      {Codec: testCodec(t), APIKey: secret.New("k")},
		"certificate, no key":   {Codec: testCodec(t), TLS: TLS{CertFile: junk}},
		"key, no certificate":   {Codec: testCodec(t), TLS: TLS{KeyFile: junk}},
		"malformed certificate": {Codec: testCodec(t), TLS: TLS{CertFile: junk, KeyFile: junk}},
		"malformed CA":          {Codec: testCodec(t), TLS: TLS{CAFile: junk}},
		"missing CA":            {Codec: testCodec(t), TLS: TLS{CAFile: filepath.Join(dir, "none")}},
		"a CA file of any size": {Codec: testCodec(t), TLS: TLS{CAFile: large}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), o)
			require.ErrorIs(t, err, fault.ConfigInvalid)
		})
	}
}
