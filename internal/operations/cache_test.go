package operations

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
)

// desk answers questions and counts them.
type desk struct {
	now   time.Time
	asked int
	op    operation.Operation
	err   error
}

func (d *desk) ask(ctx context.Context, _ string) (operation.Operation, error) {
	d.asked++
	if _, bounded := ctx.Deadline(); !bounded {
		return d.op, fault.Newf(fault.Internal, "a question without an end")
	}
	return d.op, d.err
}

func (d *desk) cache() *Cache {
	return New(func() time.Time { return d.now }, Limit{20, 40, 8}, Limit{5, 10, 2})
}

func TestAnswersThatCountAreNotAskedForAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		op    operation.Operation
		err   error
		holds time.Duration
	}{
		"final":    {op: operation.Operation{ID: "a", Kind: operation.Change}, holds: 10 * time.Minute},
		"failed":   {op: operation.Operation{ID: "a", Fault: fault.Newf(fault.ShareFull, "full")}, holds: 10 * time.Minute},
		"running":  {op: operation.Operation{ID: "a", Running: true}, holds: time.Second},
		"verified": {op: operation.Operation{ID: "a", Kind: operation.Verify}, holds: 5 * time.Second},
		"unknown":  {err: fault.Newf(fault.BackupNotFound, "unknown"), holds: 5 * time.Second},
		"nothing":  {err: fault.Newf(fault.ItemNotFound, "unknown"), holds: 5 * time.Second},
		"off":      {err: fault.Newf(fault.NotEnabled, "not enabled"), holds: 5 * time.Second},
		"away":     {err: fault.Newf(fault.TemporalUnreachable, "away"), holds: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{now: time.Unix(1, 0), op: tc.op, err: tc.err}
			c := d.cache()
			get := func() {
				t.Helper()
				op, err := c.Get(t.Context(), "north", "a", "noor", d.ask)
				require.Equal(t, tc.op, op)
				require.Equal(t, tc.err, err)
			}
			begun := d.now
			for range 100 {
				get()
			}
			d.now = begun.Add(tc.holds - 1)
			get()
			require.Equal(t, 1, d.asked)
			_, _ = c.Get(t.Context(), "south", "a", "noor", d.ask)
			require.Equal(t, 2, d.asked, "another instance has other operations")
			d.now = begun.Add(tc.holds)
			get()
			require.Equal(t, 3, d.asked)
		})
	}
}

// TestWhatWasBegunIsAskedFor, also when its ID was asked for before, and was not known then.
func TestWhatWasBegunIsAskedFor(t *testing.T) {
	d := &desk{now: time.Unix(1, 0), err: fault.Newf(fault.BackupNotFound, "unknown")}
	c := d.cache()
	_, err := c.Get(t.Context(), "north", "a", "noor", d.ask)
	require.True(t, Unknown(err))
	d.err, d.op = nil, operation.Operation{ID: "a", Running: true}
	c.Forget("south", "a")
	_, err = c.Get(t.Context(), "north", "a", "noor", d.ask)
	require.True(t, Unknown(err), "it was begun elsewhere")
	c.Forget("north", "a")
	op, err := c.Get(t.Context(), "north", "a", "noor", d.ask)
	require.NoError(t, err)
	require.Equal(t, d.op, op)
}

// TestACallerWhoGoesAnswersForNobody: that a question was given up says nothing about the operation.
func TestACallerWhoGoesAnswersForNobody(t *testing.T) {
	d := &desk{now: time.Unix(1, 0)}
	c := d.cache()
	ctx, gone := context.WithCancel(t.Context())
	_, err := c.Get(ctx, "north", "a", "noor", func(ctx context.Context, _ string) (operation.Operation, error) {
		gone()
		return operation.Operation{}, ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	_, err = c.Get(t.Context(), "north", "a", "mika", d.ask)
	require.NoError(t, err)
	require.Equal(t, 1, d.asked)
}

func TestQuestionsAreBounded(t *testing.T) {
	d := &desk{now: time.Unix(1, 0), err: fault.Newf(fault.BackupNotFound, "unknown")}
	c := d.cache()
	busy := 0
	for n := range 3 * maxAnswers {
		if _, err := c.Get(t.Context(), "north", fmt.Sprint(n), "noor", d.ask); !Unknown(err) {
			require.ErrorIs(t, err, ErrBusy)
			require.ErrorIs(t, err, fault.NoWorker, "who polls goes on")
			busy++
		}
	}
	require.Equal(t, 10, d.asked)
	require.Equal(t, 3*maxAnswers-10, busy)
	_, err := c.Get(t.Context(), "north", "mika's", "mika", d.ask)
	require.True(t, Unknown(err), "one caller starves no other")
	for n := range 2 * maxAnswers {
		d.now = d.now.Add(time.Second)
		d.err, d.op = nil, operation.Operation{ID: "x"}
		_, err := c.Get(t.Context(), "north", fmt.Sprint("final", n), "noor", d.ask)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(c.answers), maxAnswers, "also of answers that all count")
}
