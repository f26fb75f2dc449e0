package activities

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
)

// TestAStopIsNoCancellation: an activity that ends because its worker stops says so also while the
// SDK's own channel does not tell it yet, as when Temporal is slow to take note of the stop. As a
// cancellation, which nobody requested, it would end the run.
func TestAStopIsNoCancellation(t *testing.T) {
	for name, tt := range map[string]struct {
		cause error
		stops bool
	}{
		"the worker stops":            {ErrStopping, true},
		"the worker stops, wrapped":   {fmt.Errorf("drained: %w", ErrStopping), true},
		"a cancellation from outside": {context.Canceled, false},
	} {
		t.Run(name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			work := func(ctx context.Context) error {
				ending, end := context.WithCancelCause(ctx)
				below, done := context.WithCancel(ending) // as heartbeats and time limits are
				defer done()
				end(tt.cause)
				return translate(below, fmt.Errorf("read the source: %w", below.Err()))
			}
			env.RegisterActivity(work)
			_, err := env.ExecuteActivity(work)
			var failure *temporal.ApplicationError
			require.Equal(t, tt.stops, !temporal.IsCanceledError(err), "%v", err)
			if tt.stops {
				require.ErrorAs(t, err, &failure)
				require.Equal(t, ErrStopping.Error(), failure.Message())
				require.False(t, failure.NonRetryable())
				require.Positive(t, failure.NextRetryDelay())
			}
		})
	}
}
