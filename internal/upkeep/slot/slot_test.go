package slot

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"infrabackup/internal/fault"
)

func TestTheLastAttemptIsKnown(t *testing.T) {
	policy := &temporal.RetryPolicy{MaximumAttempts: 50}
	for name, c := range map[string]struct {
		info activity.Info
		want bool
	}{
		"the first":        {activity.Info{Attempt: 1, RetryPolicy: policy}, false},
		"the one before":   {activity.Info{Attempt: 49, RetryPolicy: policy}, false},
		"the last":         {activity.Info{Attempt: 50, RetryPolicy: policy}, true},
		"there is no last": {activity.Info{Attempt: 50, RetryPolicy: &temporal.RetryPolicy{}}, false},
		"it is not known":  {activity.Info{Attempt: 50}, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, last(c.info)) })
	}
}

// TestWhatIsGivenUp: only what Temporal refuses for good; whether a start that was not answered
// has happened is found out by the next attempt.
func TestWhatIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"away":              {serviceerror.NewUnavailable("away"), false},
		"not in time":       {context.DeadlineExceeded, false},
		"overloaded":        {&serviceerror.ResourceExhausted{Message: "busy"}, false},
		"invalid":           {serviceerror.NewInvalidArgument("no"), true},
		"denied":            {serviceerror.NewPermissionDenied("no", ""), true},
		"no namespace":      {serviceerror.NewNamespaceNotFound("gone"), true},
		"another backup":    {fault.Newf(fault.BackupRunning, "one runs"), true},
		"an unknown answer": {fault.Newf(fault.PayloadRefused, "of a stranger"), true},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, forGood(unreachable("no start", c.err))) })
	}
}
