package control

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
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
