package fault_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// TestOfInput: what was not waited for is no mistake of the operator's.
func TestOfInput(t *testing.T) {
	bad := errors.New("bad")
	require.ErrorIs(t, fault.OfInput(t.Context(), "the answer", bad), fault.Usage)
	require.ErrorIs(t, fault.OfInput(t.Context(), "the answer", context.Canceled), fault.Cancelled)
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, fault.OfInput(stopped, "the answer", bad), fault.Cancelled)
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, fault.OfInput(late, "the answer", bad))
}
