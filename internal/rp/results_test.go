package rp

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/operations"
	"infrabackup/internal/schedule"
)

// asked counts questions about operations.
type asked struct {
	Control
	n   int
	err error
	o   operation.Operation
}

func (a *asked) Operation(context.Context, string) (operation.Operation, error) {
	a.n++
	return a.o, a.err
}

// TestWhatBeginsIsFound, also under an id that was asked for before.
func TestWhatBeginsIsFound(t *testing.T) {
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	c := &asked{err: fault.Newf(fault.BackupNotFound, "gone")}
	l := &location{Instance: Instance{Control: c}, name: "local"}
	r := newResults(func() time.Time { return now })
	for range 100 {
		_, err := r.of(t.Context(), "anna", l, "a")
		require.True(t, operations.Unknown(err))
	}
	require.Equal(t, 1, c.n, "what is not known is remembered")
	c.err = nil
	r.begin(l, "a", nil)
	_, err := r.of(t.Context(), "anna", l, "a")
	require.NoError(t, err)
	require.Nil(t, r.scheduleOf(l, "a"))

	want := schedule.Default()
	for i := range 2 * maxBegun {
		id := fmt.Sprint("b", i)
		r.begin(l, id, &want)
		require.Equal(t, &want, r.scheduleOf(l, id))
		require.Nil(t, r.scheduleOf(&location{name: "local"}, id))
	}
	require.LessOrEqual(t, len(r.begun), maxBegun)
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{BaseURL: "https://backup.example.com:8443/", SubscriptionID: "11111111-2222-3333-4444-555555555555", Caller: func(*http.Request) (Caller, error) { return nil, nil }, Tokens: struct{ Tokens }{}}
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
	bad = good
	bad.Tokens = nil
	_, err = New(bad)
	require.Error(t, err)
}

type noBoard struct{ Board }
