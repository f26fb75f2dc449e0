package flow

import (
	"errors"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/fault"
)

// FaultDetails is a fault on its way through Temporal.
type FaultDetails struct {
	Code  fault.Code `json:"code"`
	What  string     `json:"what"`
	Cause string     `json:"cause,omitempty"`
}

func (d FaultDetails) fault() *fault.Fault {
	f := fault.New(d.Code, d.What, nil)
	if d.Cause != "" {
		f.Err = errors.New(d.Cause)
	}
	return f
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
// for nil, and an INTERNAL fault for errors that carry none: the type of an error, which
// Temporal keeps in clear, is not taken for a code.
func DecodeFault(err error) *fault.Fault {
	if err == nil {
		return nil
	}
	if f, ok := fault.Of(err); ok {
		return f
	}
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		if details, ok := detailsOf(application); ok {
			return details.fault()
		}
		return fault.New(fault.Internal, "unexpected failure", err)
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

// detailsOf reads the fault from an error of this process, or from one that came through
// a converter that seals nothing.
func detailsOf(err *temporal.ApplicationError) (FaultDetails, bool) {
	var details FaultDetails
	ok := err.HasDetails() && err.Details(&details) == nil && details.Code.Known()
	return details, ok
}

// sealFailure seals what an error says as the failure that s describes. Cancellation is
// Temporal's own, and has nothing to seal; a handover to the next run is no failure.
func sealFailure(err error, s stamp) error {
	var (
		canceled *temporal.CanceledError
		next     *workflow.ContinueAsNewError
		own      *temporal.ApplicationError
	)
	if err == nil || errors.As(err, &canceled) || errors.As(err, &next) {
		return err
	}
	if !errors.As(err, &own) {
		err = EncodeFault(DecodeFault(err))
		if !errors.As(err, &own) {
			return err
		}
	}
	details, ok := detailsOf(own)
	if !ok {
		details = FaultDetails{Code: fault.Internal, What: strings.TrimPrefix(own.Message(), own.Type()+": ")}
	}
	return temporal.NewApplicationErrorWithOptions(own.Message(), string(details.Code), temporal.ApplicationErrorOptions{
		NonRetryable: own.NonRetryable(), NextRetryDelay: own.NextRetryDelay(), Category: own.Category(),
		Cause: errors.Unwrap(own), Details: []any{seal(details, s)},
	})
}

// believed returns what is to be believed of an error that came through Temporal: the
// fault that was sealed for this place, if valid takes its stamp. Cancellation, timeouts,
// termination and errors of the server are Temporal's own, and pass. A failure that
// nobody with the key has made is PAYLOAD_REFUSED; one that was sealed and carries no
// fault, such as a panic, is INTERNAL.
func believed(err error, want stamp, valid func(stamp) bool) error {
	var application *temporal.ApplicationError
	if !errors.As(err, &application) {
		return err
	}
	var details sealed[FaultDetails]
	if application.HasDetails() {
		if decodeErr := application.Details(&details); decodeErr != nil {
			details = sealed[FaultDetails]{form: refused, err: decodeErr}
		}
	}
	switch {
	case details.form == unsealed:
		return err
	case details.form == sealedAs && details.stamp.is(want) && details.body.Code.Known() && (valid(details.stamp) || isRefusal(details)):
		return details.body.fault()
	case refusal(fault.Code(application.Type())):
		return fault.Newf(fault.Code(application.Type()), "%s: %s", want, strings.TrimPrefix(application.Message(), application.Type()+": "))
	case details.form == absent:
		return fault.New(fault.Internal, want.String()+" carries no code", errors.New(application.Message()))
	}
	return fault.Newf(fault.PayloadRefused, "%s was sealed for something else", want)
}

// refusal reports whether a code says that a payload was not believed. Such a failure
// cannot name the question that it answers, and claims nothing.
func refusal(c fault.Code) bool {
	return c == fault.PayloadRefused || c == fault.PayloadOutdated || c == fault.CodecKey
}

func isRefusal(s sealed[FaultDetails]) bool { return s.stamp.Answers == "" && refusal(s.body.Code) }
