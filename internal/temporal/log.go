package temporal

import (
	"context"
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/log"
	"google.golang.org/protobuf/proto"
)

// NewLogger passes the SDK's messages, all levels, to logger. Values that are or
// may hold a payload are replaced by their type: raw bytes and Temporal's own
// messages.
func NewLogger(logger *slog.Logger) log.Logger {
	return log.NewStructuredLogger(slog.New(payloadHandler{logger.Handler()}))
}

type payloadHandler struct{ next slog.Handler }

func (h payloadHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h payloadHandler) Handle(ctx context.Context, record slog.Record) error {
	clean := slog.NewRecord(record.Time, record.Level, record.Message, record.PC)
	record.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(withoutPayload(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h payloadHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = withoutPayload(a)
	}
	return payloadHandler{h.next.WithAttrs(clean)}
}

func (h payloadHandler) WithGroup(name string) slog.Handler {
	return payloadHandler{h.next.WithGroup(name)}
}

func withoutPayload(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindGroup:
		group := a.Value.Group()
		clean := make([]slog.Attr, len(group))
		for i, member := range group {
			clean[i] = withoutPayload(member)
		}
		a.Value = slog.GroupValue(clean...)
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error: // the SDK's errors hold messages, not payloads; some are also Stringers
		case []byte, [][]byte, proto.Message, []proto.Message:
			a.Value = slog.StringValue(fmt.Sprintf("[%T left out]", v))
		}
	}
	return a
}
