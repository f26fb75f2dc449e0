package flow

import (
	"errors"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"infrabackup/internal/fault"
)

// FaultDetails is a fault on its way through Temporal.
type FaultDetails struct {
	Code  fault.Code `json:"code"`
	What  string     `json:"what"`
	Cause string     `json:"cause,omitempty"`
}

// EncodeFault turns err into the application error that carries it through
// Temporal: its type is the fault's code, and it is retried only when doing the
// same again can succeed. Errors of ctx and errors that are Temporal's already
// pass as they are.
func EncodeFault(err error) error {
	var application *temporal.ApplicationError
	var canceled *temporal.CanceledError
	if err == nil || errors.As(err, &application) || errors.As(err, &canceled) {
		return err
	}
	f := fault.As(err)
	details := FaultDetails{Code: f.Code, What: f.What}
	if f.Err != nil {
		details.Cause = f.Err.Error()
	}
	return temporal.NewApplicationErrorWithOptions(f.Error(), string(f.Code), temporal.ApplicationErrorOptions{
		NonRetryable:   !f.Code.Retryable(),
		NextRetryDelay: f.RetryAfter,
		Details:        []any{details},
	})
}

// DecodeFault finds the fault that an error from Temporal carries. It returns nil
// for nil, and an INTERNAL fault for errors that carry none.
func DecodeFault(err error) *fault.Fault {
	if err == nil {
		return nil
	}
	if f, ok := fault.Of(err); ok {
		return f
	}
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return decodeApplication(application)
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		if timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START {
			return fault.New(fault.NoWorker, "no worker took up the work in time", err)
		}
		return fault.New(fault.Internal, "the work was not done in time", err)
	}
	var canceled *temporal.CanceledError
	if errors.As(err, &canceled) {
		return fault.Newf(fault.Cancelled, "the run was cancelled")
	}
	return fault.New(fault.Internal, "unexpected failure", err)
}

func decodeApplication(err *temporal.ApplicationError) *fault.Fault {
	var details FaultDetails
	if !fault.Code(err.Type()).Known() {
		return fault.New(fault.Internal, "unexpected failure", err)
	}
	if err.HasDetails() && err.Details(&details) == nil && details.Code.Known() {
		f := fault.New(details.Code, details.What, nil)
		if details.Cause != "" {
			f.Err = errors.New(details.Cause)
		}
		return f
	}
	return fault.New(fault.Code(err.Type()), strings.TrimPrefix(err.Message(), err.Type()+": "), nil)
}
