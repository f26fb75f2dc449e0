package quota_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/portal/quota"
)

// desk answers questions and counts them.
type desk struct {
	now   time.Time
	asked int
	op    control.Operation
	err   error
}

func (d *desk) ask(context.Context, string) (control.Operation, error) {
	d.asked++
	return d.op, d.err
}

func TestAnswersThatCountAreNotAskedForAgain(t *testing.T) {
	unknown := fault.Newf(fault.BackupNotFound, "unknown")
	for name, tc := range map[string]struct {
		op    control.Operation
		err   error
		holds time.Duration // an answer, at least
		ends  time.Duration // zero for never
	}{
		"final":    {op: control.Operation{ID: "a"}, holds: time.Hour},
		"running":  {op: control.Operation{ID: "a", Running: true}, holds: 999 * time.Millisecond, ends: time.Second},
		"verified": {op: control.Operation{ID: "a", Kind: control.OperationVerify}, holds: 4999 * time.Millisecond, ends: 5 * time.Second},
		"unknown":  {err: unknown, holds: 4999 * time.Millisecond, ends: 5 * time.Second},
		"away":     {err: fault.Newf(fault.TemporalUnreachable, "away"), ends: time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{now: time.Unix(1, 0), op: tc.op, err: tc.err}
			o := quota.NewOperations(func() time.Time { return d.now }, 0)
			get := func() {
				op, err := o.Get(t.Context(), "north", "a", "noor", d.ask)
				require.Equal(t, tc.op, op)
				require.Equal(t, tc.err, err)
			}
			begun := d.now
			get()
			if tc.holds > 0 {
				d.now = begun.Add(tc.holds)
				get()
				require.Equal(t, 1, d.asked)
			}
			if tc.ends > 0 {
				d.now = begun.Add(tc.ends)
				get()
				require.Equal(t, 2, d.asked)
			}
			_, _ = o.Get(t.Context(), "south", "a", "noor", d.ask)
			require.Greater(t, d.asked, 1, "another instance has other operations")
		})
	}
}

func TestWhatWasBegunAgainIsAskedForAgain(t *testing.T) {
	d := &desk{now: time.Unix(1, 0)}
	o := quota.NewOperations(func() time.Time { return d.now }, 0)
	for range 2 {
		_, err := o.Get(t.Context(), "north", "a", "noor", d.ask)
		require.NoError(t, err)
		o.Forget("north", "a")
	}
	require.Equal(t, 2, d.asked)
}

func TestQuestionsAreBounded(t *testing.T) {
	d := &desk{now: time.Unix(1, 0), err: fault.Newf(fault.BackupNotFound, "unknown")}
	o := quota.NewOperations(func() time.Time { return d.now }, 0)
	ids := 0
	ask := func(subject string, n int) {
		for range n {
			ids++
			_, err := o.Get(t.Context(), "north", fmt.Sprint(ids), subject, d.ask)
			require.Error(t, err)
		}
	}
	ask("noor", 50)
	require.Equal(t, quota.PerSubject, d.asked)
	for n := range 3000 {
		ask(fmt.Sprint("person", n), 3)
	}
	require.Equal(t, quota.All, d.asked)
	_, err := o.Get(t.Context(), "north", "another", "noor", d.ask)
	require.ErrorIs(t, err, quota.ErrBusy)
	d.now = d.now.Add(time.Second)
	ask("noor", 50)
	require.Equal(t, quota.All+quota.PerSubject, d.asked)
}

func TestStreamsAreBounded(t *testing.T) {
	s := quota.NewStreams()
	var ends []func()
	for range quota.StreamsPerSubject {
		end, ok := s.Open("noor")
		require.True(t, ok)
		ends = append(ends, end)
	}
	_, ok := s.Open("noor")
	require.False(t, ok)
	for n := range quota.MaxStreams - quota.StreamsPerSubject {
		_, ok = s.Open(fmt.Sprint("person", n))
		require.True(t, ok)
	}
	_, ok = s.Open("mika")
	require.False(t, ok)
	ends[0]()
	_, ok = s.Open("noor")
	require.True(t, ok)
}
