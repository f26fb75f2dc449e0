package flow

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"infrabackup/internal/fault"
)

// through takes an error to another process and back, as Temporal does.
func through(err error) error {
	c := temporal.GetDefaultFailureConverter()
	return c.FailureToError(c.ErrorToFailure(err))
}

func TestEveryFaultCrossesTemporal(t *testing.T) {
	for _, code := range fault.Codes() {
		t.Run(string(code), func(t *testing.T) {
			sent := EncodeFault(fmt.Errorf("step: %w", fault.New(code, `\\fs\x refused "u"`, errors.New("0xc000006d"))))
			var application *temporal.ApplicationError
			require.ErrorAs(t, sent, &application)
			require.Equal(t, string(code), application.Type())
			require.Equal(t, !code.Retryable(), application.NonRetryable())

			got := DecodeFault(through(sent))
			require.Equal(t, code, got.Code)
			require.Equal(t, `\\fs\x refused "u" (0xc000006d)`, got.Message())
			require.Equal(t, got, DecodeFault(through(EncodeFault(got))), "a second hop changes nothing")
		})
	}
}

func TestEncodeFaultKeepsTheDelay(t *testing.T) {
	f := fault.Newf(fault.SourceThrottled, "busy")
	f.RetryAfter = 2 * time.Minute
	var application *temporal.ApplicationError
	require.ErrorAs(t, through(EncodeFault(f)), &application)
	require.Equal(t, 2*time.Minute, application.NextRetryDelay())
}

func TestEncodeFaultLeavesTemporalErrorsAlone(t *testing.T) {
	require.NoError(t, EncodeFault(nil))
	for _, err := range []error{temporal.NewCanceledError(), temporal.NewApplicationError("x", "Y")} {
		require.Equal(t, err, EncodeFault(err))
	}
}

func TestDecodeFault(t *testing.T) {
	require.Nil(t, DecodeFault(nil))
	for name, test := range map[string]struct {
		err  error
		code fault.Code
		what string
	}{
		"a fault of this process":    {fmt.Errorf("x: %w", fault.Newf(fault.ShareFull, "full")), fault.ShareFull, "full"},
		"no details":                 {temporal.NewApplicationError("SHARE_FULL: full", "SHARE_FULL"), fault.Internal, "unexpected failure"},
		"malformed details":          {through(temporal.NewApplicationError("full", "SHARE_FULL", 7)), fault.Internal, "unexpected failure"},
		"details of an unknown code": {through(temporal.NewApplicationError("full", "SHARE_FULL", FaultDetails{Code: "NEW"})), fault.Internal, "unexpected failure"},
		"a code of a newer version":  {temporal.NewApplicationError("x", "FROM_THE_FUTURE"), fault.Internal, "unexpected failure"},
		"cancelled":                  {temporal.NewCanceledError(), fault.Cancelled, "the run was cancelled"},
		"nobody took it up":          {temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START, nil), fault.NoWorker, "no worker took up the work in time"},
		"too slow":                   {temporal.NewHeartbeatTimeoutError(), fault.Internal, "the work was not done in time"},
		"anything else":              {context.DeadlineExceeded, fault.Internal, "unexpected failure"},
	} {
		t.Run(name, func(t *testing.T) {
			got := DecodeFault(test.err)
			require.Equal(t, test.code, got.Code)
			require.Equal(t, test.what, got.What)
		})
	}
}
