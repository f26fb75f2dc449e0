package rp

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/apierror"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
)

// asked counts questions about operations.
type asked struct {
	Control
	n   int
	err error
	o   control.Operation
}

func (a *asked) Operation(context.Context, string) (control.Operation, error) {
	a.n++
	return a.o, a.err
}

func TestControlIsAskedSeldom(t *testing.T) {
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	c := &asked{err: fault.Newf(fault.BackupNotFound, "gone")}
	l := &location{Instance: Instance{Control: c}}
	r := newResults(func() time.Time { return now })
	ask := func(id string) error {
		_, err := r.of(t.Context(), "anna", l, id)
		return err
	}
	for range 100 {
		require.True(t, isGone(ask("a")))
	}
	require.Equal(t, 1, c.n, "what is gone is remembered")
	now = now.Add(goneFor)
	require.True(t, isGone(ask("a")))
	require.Equal(t, 2, c.n, "for five seconds")

	// An operation that begins under an id that was asked for before is found.
	c.err = nil
	r.begin(l, "a", began{})
	require.NoError(t, ask("a"))
	for range 100 {
		require.NoError(t, ask("a"))
	}
	require.Equal(t, 3, c.n, "an end is remembered")
	c.o.Running = true
	require.NoError(t, ask("b"))
	require.NoError(t, ask("b"))
	require.Equal(t, 4, c.n)
	now = now.Add(runningFor)
	require.NoError(t, ask("b"))
	require.Equal(t, 5, c.n)

	refused := 0
	for i := range 3 * maxRemembered {
		if err := ask(fmt.Sprint(i)); err != nil {
			require.True(t, apierror.Away(err))
			refused++
		}
	}
	require.LessOrEqual(t, c.n, int(ofEach.Burst)+5, "there is a limit to questions")
	require.Positive(t, refused)
	_, err := r.of(t.Context(), "bert", l, "bert's")
	require.NoError(t, err, "one caller starves no other")
	for i := range 2 * maxRemembered {
		now = now.Add(time.Second)
		require.NoError(t, ask(fmt.Sprint("c", i)))
		r.begin(l, fmt.Sprint("d", i), began{})
	}
	require.LessOrEqual(t, len(r.known), maxRemembered)
	require.LessOrEqual(t, len(r.begun), maxRemembered)
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{BaseURL: "https://backup.example.com:8443/", SubscriptionID: "11111111-2222-3333-4444-555555555555", Caller: func(*http.Request) (Caller, error) { return nil, nil }}
	h, err := New(good)
	require.NoError(t, err)
	require.Equal(t, "https://backup.example.com:8443", h.base)
	for _, base := range []string{"", "backup.example.com", "ftp://x", "https://", "https://x/path", "https://x?y", "https://u:p@x", "https://x#f"} {
		bad := good
		bad.BaseURL = base
		_, err := New(bad)
		require.Error(t, err, base)
	}
	for _, instances := range []map[string]Instance{
		{"local": {}}, {"a/b": {Board: nil}}, {"": {}},
		{"local": {Board: noBoard{}, Control: &asked{}}, "LOCAL": {Board: noBoard{}, Control: &asked{}}},
	} {
		bad := good
		bad.Instances = instances
		_, err := New(bad)
		require.Error(t, err)
	}
	bad := good
	bad.SubscriptionID = "x"
	_, err = New(bad)
	require.Error(t, err)
	bad = good
	bad.Caller = nil
	_, err = New(bad)
	require.Error(t, err)
}

type noBoard struct{ Board }
