package collecttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

// patience is how long a collector may take to notice that it shall end.
const patience = 30 * time.Second

// Subject is a collector under test with a source that does not change.
type Subject struct {
	// Collector reads a source that holds at least two items.
	Collector collect.Collector
	// Service is what it says that it captures.
	Service backup.Service
	// Secrets are values that may stand in no gap, cursor or error: passwords, and
	// contents of items.
	Secrets []string
	// Settle, when not nil, is called between captures, to undo what reading itself
	// changes in a real source, such as the time of the last login.
	Settle func(t *testing.T)
	// Slow says that reading the source takes seconds, and that a test has another source for
	// the same collector that does not: a capture is then ended at a middle item only.
	Slow bool
	// Shared says that other tests may change objects of their own in the source meanwhile, and
	// that the source itself then changes others: two captures that differ are made again.
	Shared bool
}

// tries is how often two captures of a source may differ that others change.
const tries = 4

// Run checks everything that the port promises and that can be seen from outside.
func Run(t *testing.T, s Subject) {
	t.Run("names its service", func(t *testing.T) { require.Equal(t, s.Service, s.Collector.Service()) })
	t.Run("checks its source", func(t *testing.T) { require.NoError(t, s.Collector.Check(t.Context())) })

	first := &Recorder{}
	began := time.Now()
	capture, err := s.Collector.Collect(t.Context(), first)
	require.NoError(t, err)
	require.GreaterOrEqual(t, first.Items(), 2, "the suite needs a source with items")

	t.Run("sets window and cursor", func(t *testing.T) { checkCapture(t, s, capture, began) })
	t.Run("gives well-formed items", func(t *testing.T) { checkItems(t, first.Calls()) })
	t.Run("names gaps without values", func(t *testing.T) { checkGaps(t, s, first.Gaps()) })
	t.Run("gives the same calls again", func(t *testing.T) {
		before := first.Calls()
		for try := 1; ; try++ {
			s.settle(t)
			second := &Recorder{}
			_, err := s.Collector.Collect(t.Context(), second)
			require.NoError(t, err)
			if s.Shared && try < tries && !assert.ObjectsAreEqual(before, second.Calls()) {
				before = second.Calls()
				continue
			}
			requireSame(t, before, second.Calls())
			return
		}
	})
	t.Run("ends when cancelled before it begins", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		sink := &Recorder{}
		s.requireCancelled(t, ctx, sink)
		require.Zero(t, sink.Items())
		require.Error(t, s.Collector.Check(ctx))
	})
	for _, at := range s.positions(first.Items()) {
		t.Run(fmt.Sprintf("ends when cancelled at item %d", at), func(t *testing.T) {
			s.settle(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.requireCancelled(t, ctx, &Recorder{Before: func(number int) error {
				if number == at {
					cancel()
				}
				return nil
			}})
		})
		t.Run(fmt.Sprintf("ends when the sink fails at item %d", at), func(t *testing.T) {
			s.settle(t)
			refusal := errors.New("the sink is full")
			sink := &Recorder{Before: func(number int) error {
				if number == at {
					return refusal
				}
				return nil
			}}
			_, err := s.collect(t, t.Context(), sink)
			require.ErrorIs(t, err, refusal)
			_, isFault := fault.Of(err)
			require.False(t, isFault, "errors of the sink are returned as they are, not as faults of the source")
			require.Zero(t, sink.Late(), "items after the sink failed")
		})
	}
}

// positions are the first, a middle and the last item.
func (s Subject) positions(items int) []int {
	if s.Slow {
		return []int{items / 2}
	}
	all := []int{0}
	if middle := items / 2; middle > 0 {
		all = append(all, middle)
	}
	if items-1 > all[len(all)-1] {
		all = append(all, items-1)
	}
	return all
}

func (s Subject) settle(t *testing.T) {
	if s.Settle != nil {
		s.Settle(t)
	}
}

// collect fails the test when the collector does not come back.
func (s Subject) collect(t *testing.T, ctx context.Context, sink collect.Sink) (collect.Capture, error) {
	t.Helper()
	type result struct {
		capture collect.Capture
		err     error
	}
	done := make(chan result, 1)
	go func() {
		capture, err := s.Collector.Collect(ctx, sink)
		done <- result{capture, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.capture, r.err
	case <-timer.C:
		t.Fatalf("the collector did not end within %s", patience)
		return collect.Capture{}, nil
	}
}

func (s Subject) requireCancelled(t *testing.T, ctx context.Context, sink *Recorder) {
	t.Helper()
	_, err := s.collect(t, ctx, sink)
	require.ErrorIs(t, err, context.Canceled)
	requireNoSecret(t, s, "error", err.Error())
}

func checkCapture(t *testing.T, s Subject, c collect.Capture, began time.Time) {
	require.False(t, c.Start.IsZero())
	require.False(t, c.End.Before(c.Start))
	require.WithinRange(t, c.Start, began.Add(-time.Second), time.Now().Add(time.Second))
	require.NotEmpty(t, c.Cursor)
	for name, value := range c.Cursor {
		require.NotEmpty(t, name)
		requireNoSecret(t, s, "cursor "+name, value)
	}
}

var (
	kindPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	codePattern = regexp.MustCompile(`^[A-Z][A-Z0-9_]{2,60}$`)
)

type identity struct{ kind, id string }

func checkItems(t *testing.T, calls []Call) {
	seen := map[identity]bool{}
	paths := map[string]bool{}
	for _, c := range calls {
		if c.Gap != nil {
			continue
		}
		name := fmt.Sprintf("%s %q", c.Item.Kind, c.Item.ID)
		id := identity{c.Item.Kind, c.Item.ID}
		require.Regexp(t, kindPattern, c.Item.Kind)
		require.NotEmpty(t, c.Item.ID, name)
		require.NotEmpty(t, c.Item.Name, name)
		require.Equal(t, seen[id], c.Item.Supersedes, "%s: Supersedes says whether it came before", name)
		seen[id] = true
		checkLinks(t, name, c.Item)
		if c.File == nil {
			require.True(t, json.Valid(c.Document), name)
			require.False(t, bytes.ContainsAny(c.Document, "\r\n"), name)
			continue
		}
		p := c.File.Path
		require.True(t, p != "." && p == path.Clean(p) && !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "../"), "path %q", p)
		require.False(t, paths[p], "path %q comes twice", p)
		require.GreaterOrEqual(t, c.File.Size, int64(0), name)
		require.Zero(t, c.File.Mode&^c.File.Mode.Perm(), name)
		paths[p] = true
	}
}

// checkLinks makes sure that the item's aliases and references can be compared with
// those of other services. There may be more references than are recorded.
func checkLinks(t *testing.T, name string, item backup.Item) {
	require.NoError(t, (&backup.Item{Aliases: item.Aliases, ReferencesLeftOut: item.ReferencesLeftOut}).CheckLinks(), name)
	aliases := map[string]bool{}
	for _, alias := range item.Aliases {
		require.Equal(t, strings.ToLower(alias), alias, name)
		require.False(t, aliases[alias], "%s: alias %q comes twice", name, alias)
		aliases[alias] = true
	}
	references := map[backup.Reference]bool{}
	for _, r := range item.References {
		require.NoError(t, (&backup.Item{References: []backup.Reference{r}}).CheckLinks(), name)
		require.Equal(t, strings.ToLower(r.Target), r.Target, name)
		require.False(t, references[r], "%s: reference %v comes twice", name, r)
		references[r] = true
	}
}

func checkGaps(t *testing.T, s Subject, gaps []backup.Gap) {
	for _, gap := range gaps {
		require.Regexp(t, codePattern, gap.Code)
		require.NotEmpty(t, gap.Object, gap.Code)
		require.NotEmpty(t, gap.Reason, gap.Code)
		require.GreaterOrEqual(t, gap.Count, int64(0), gap.Code)
		requireNoSecret(t, s, "gap "+gap.Code, gap.Object+" "+gap.Reason)
	}
}

func requireNoSecret(t *testing.T, s Subject, where, text string) {
	t.Helper()
	for _, secret := range s.Secrets {
		require.False(t, strings.Contains(text, secret), "a secret stands in %s", where)
	}
}

// requireSame compares call by call, so that a failure shows one call and not all.
func requireSame(t *testing.T, first, second []Call) {
	t.Helper()
	for i := range min(len(first), len(second)) {
		require.Equal(t, first[i].Item, second[i].Item, "call %d", i)
		require.Equal(t, string(first[i].Document), string(second[i].Document), "call %d: %s", i, first[i].Item.Name)
		require.Equal(t, first[i], second[i], "call %d", i)
	}
	require.Len(t, second, len(first))
}
