package temporal

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/log"
)

func TestLoggerKeepsEverythingButPayloads(t *testing.T) {
	var out bytes.Buffer
	logger := NewLogger(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))

	logger.Debug("debug", "a", 1)
	logger.Info("info", "error", errors.New("a plain error"))
	logger.Warn("warn", "payload", &commonpb.Payload{Data: []byte("canary")}, "raw", []byte("canary"), "odd")
	log.With(logger, "ActivityID", "7", "input", []byte("canary")).Error("error", slog.Group("g", "p", []byte("canary")))

	got := out.String()
	require.NotContains(t, got, "canary")
	require.NotContains(t, got, "Y2FuYXJ5", "nor in base64")
	for _, want := range []string{`"debug"`, `"a":1`, `"a plain error"`, `"warn"`, `"odd"`, `"ActivityID":"7"`, `[[]uint8 left out]`, `[*common.Payload left out]`} {
		require.Contains(t, got, want)
	}
}
