package control

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// TestNoRestoreRuns: one that has ended, or never was, is neither watched nor stopped.
func TestNoRestoreRuns(t *testing.T) {
	f := newFake()
	c := New(f, nil, "default", "north")
	_, err := c.Restoring(t.Context())
	require.ErrorIs(t, err, fault.ItemNotFound)
	_, err = c.StopRestore(t.Context())
	require.ErrorIs(t, err, fault.ItemNotFound)
	_, err = c.CancelRestore(t.Context())
	require.ErrorIs(t, err, fault.ItemNotFound)
}

// TestRestoreStopsWithoutAnAnswer: the worker that was lost must not go on when it is back. A run
// of another kind, such as the making of the plan of an undo, is left alone.
func TestRestoreStopsWithoutAnAnswer(t *testing.T) {
	f := newFake()
	c := New(f, nil, "default", "north")
	id := flow.RestoreWorkflowID("north")
	f.silent = serviceerror.NewFailedPrecondition("no poller")
	f.known[id] = goingOn(id, flow.PlanRestore.Name, flow.Queue("north"))
	_, err := c.StopRestore(t.Context())
	require.ErrorIs(t, err, fault.AnswerRefused)
	require.Empty(t, f.stopped)

	f.known[id] = goingOn(id, flow.Restore.Name, flow.Queue("north"))
	_, err = c.StopRestore(t.Context())
	require.ErrorIs(t, err, fault.NoWorker, "how far it is remains unknown")
	require.Equal(t, []string{id}, f.stopped)
}
