package temporal

import (
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
)

// maxServerText bounds what is taken over of a message that Temporal itself wrote, or
// somebody who pretends to be Temporal.
const maxServerText = 200

// FailureConverter converts errors and encrypts their messages and stack traces too,
// which the SDK's default leaves in clear. In the other direction it believes nothing
// that is not encrypted for the place where it is read: such a failure becomes one of the
// type PAYLOAD_REFUSED that says nothing else. What only Temporal itself makes (timeouts,
// cancellation, termination, and what is wrapped around a failure) has no ciphertext, and
// stays readable without details.
func FailureConverter(c *codec.Codec, options ...ConverterOption) converter.FailureConverter {
	return Failures(DataConverter(c, options...))
}

// Failures is [FailureConverter] with the data converter that is given.
func Failures(data converter.DataConverter) converter.FailureConverter {
	return newFailures(data, data)
}

type failures struct {
	data converter.DataConverter
	next converter.FailureConverter
	// nowhere reads what the SDK says of a task that failed as a whole, such as a panic:
	// it names no place then, and there is no code in it.
	nowhere converter.DataConverter
}

var _ converter.FailureConverterWithSerializationContext = (*failures)(nil)

func newFailures(data, nowhere converter.DataConverter) *failures {
	return &failures{data: data, nowhere: nowhere, next: temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: data, EncodeCommonAttributes: true,
	})}
}

// WithSerializationContext implements converter.FailureConverterWithSerializationContext.
func (f *failures) WithSerializationContext(at converter.SerializationContext) converter.FailureConverter {
	return newFailures(converter.WithDataConverterSerializationContext(f.data, at), f.nowhere)
}

// ErrorToFailure implements converter.FailureConverter.
func (f *failures) ErrorToFailure(err error) *failurepb.Failure { return f.next.ErrorToFailure(err) }

// FailureToError implements converter.FailureConverter.
func (f *failures) FailureToError(failure *failurepb.Failure) error {
	if failure == nil {
		return nil
	}
	believed, ok := proto.Clone(failure).(*failurepb.Failure)
	if !ok {
		return fault.Newf(fault.Internal, "a failure cannot be copied")
	}
	f.examine(believed)
	return f.next.FailureToError(believed)
}

// maxCauses bounds the chain of causes that is followed.
const maxCauses = 64

// examine takes out of a chain of failures what nobody with the key has written.
func (f *failures) examine(failure *failurepb.Failure) {
	for depth := 0; failure != nil; depth++ {
		if depth == maxCauses {
			failure.Cause = nil
		}
		switch {
		case failure.GetEncodedAttributes() != nil:
			f.read(failure)
		case madeByTemporal(failure):
			failure.Message = backup.Printable(failure.Message, maxServerText)
			failure.StackTrace = ""
		default:
			refuse(failure, fault.Newf(fault.PayloadRefused, "a failure arrived that is not encrypted"))
		}
		failure = failure.GetCause()
	}
}

// read makes sure that message and stack trace are what somebody with the key has written
// for this place, or for none.
func (f *failures) read(failure *failurepb.Failure) {
	var text struct {
		Message    string `json:"message"`
		StackTrace string `json:"stack_trace"`
	}
	err := f.data.FromPayload(failure.EncodedAttributes, &text)
	switch {
	case err == nil:
	case f.nowhere.FromPayload(failure.EncodedAttributes, &text) == nil:
		proto.Reset(failure)
		failure.Message = text.Message
		failure.FailureInfo = &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{
			Type: string(fault.Internal),
		}}
	default:
		refuse(failure, err)
	}
}

// refuse puts the refusal in the place of what a failure says.
func refuse(failure *failurepb.Failure, why error) {
	reason := fault.As(why)
	final := failure.GetApplicationFailureInfo().GetNonRetryable()
	proto.Reset(failure)
	failure.Message = reason.Error()
	failure.FailureInfo = &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{
		Type: string(reason.Code), NonRetryable: final,
	}}
}

// madeByTemporal reports whether a failure is of a kind that the server, or the SDK from
// what the server tells, makes in clear. Its details are taken out: they are nobody's.
func madeByTemporal(failure *failurepb.Failure) bool {
	switch info := failure.GetFailureInfo().(type) {
	case *failurepb.Failure_TimeoutFailureInfo:
		info.TimeoutFailureInfo.LastHeartbeatDetails = nil
	case *failurepb.Failure_CanceledFailureInfo:
		info.CanceledFailureInfo.Details = nil
	case *failurepb.Failure_ResetWorkflowFailureInfo:
		info.ResetWorkflowFailureInfo.LastHeartbeatDetails = nil
	case *failurepb.Failure_TerminatedFailureInfo, *failurepb.Failure_ServerFailureInfo,
		*failurepb.Failure_ActivityFailureInfo, *failurepb.Failure_ChildWorkflowExecutionFailureInfo:
	default:
		return false
	}
	return true
}
