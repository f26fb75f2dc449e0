package collecttest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/collecttest"
)

// exemplary is the smallest collector that keeps the contract.
type exemplary struct{}

func (exemplary) Service() backup.Service { return backup.ARM }

func (exemplary) Check(ctx context.Context) error { return ctx.Err() }

func (exemplary) Collect(ctx context.Context, sink collect.Sink) (collect.Capture, error) {
	c := collect.Capture{Start: time.Now(), Cursor: map[string]string{"revision": "1"}}
	for _, id := range []string{"a", "b", "c"} {
		if err := ctx.Err(); err != nil {
			return c, err
		}
		item := backup.Item{Kind: "thing", ID: id, Name: id, Aliases: []string{"alias:" + id}, References: []backup.Reference{
			{Relation: "part-of", Service: backup.ARM, Target: "f"}, {Relation: "part-of", Service: backup.AD, Target: "f"},
		}}
		if err := sink.Record(item, []byte(`{"id":"`+id+`"}`)); err != nil {
			return c, err
		}
	}
	if err := sink.File(backup.Item{Kind: "file", ID: "f", Name: "f"}, collect.FileInfo{Path: "f", Size: 4}, strings.NewReader("text")); err != nil {
		return c, err
	}
	sink.Gap(backup.Gap{Code: "SECRET_MISSING", Object: "secrets", Reason: "They are write-only."})
	c.End = time.Now()
	return c, ctx.Err()
}

func TestRunAcceptsAGoodCollector(t *testing.T) {
	collecttest.Run(t, collecttest.Subject{Collector: exemplary{}, Service: backup.ARM, Secrets: []string{"canary"}})
}

func TestRecorder(t *testing.T) {
	refusal := errors.New("full")
	kept := ""
	r := &collecttest.Recorder{
		Before: func(number int) error {
			if number == 2 {
				return refusal
			}
			return nil
		},
		Keep: func(_ collect.FileInfo, content []byte) { kept = string(content) },
	}
	item := backup.Item{Kind: "thing", ID: "1", Name: "one"}
	document := []byte("{}")
	require.NoError(t, r.Record(item, document))
	document[0] = 'x'
	require.Equal(t, "{}", string(r.Calls()[0].Document), "the sink copies")
	require.NoError(t, r.File(item, collect.FileInfo{Path: "p", Size: 3}, strings.NewReader("12345")))
	require.Equal(t, "123", kept)
	require.ErrorIs(t, r.Record(item, document), refusal)
	require.Zero(t, r.Late())
	require.NoError(t, r.Record(item, document))
	require.Equal(t, 1, r.Late())
	r.Gap(backup.Gap{Code: "X"})
	require.Len(t, r.Gaps(), 1)
	require.Equal(t, 4, r.Items())

	short := &collecttest.Recorder{}
	require.Error(t, short.File(item, collect.FileInfo{Path: "p", Size: 3}, strings.NewReader("1")))
	require.ErrorIs(t, short.File(item, collect.FileInfo{Path: "p", Size: 3}, failing{}), io.ErrClosedPipe)
	require.Empty(t, short.Calls())
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }
