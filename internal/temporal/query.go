package temporal

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
)

// answering reads why a query failed as every other failure is read. The SDK hands out
// the text in clear that came with it, which anybody can write.
type answering struct {
	interceptor.ClientInterceptorBase
	namespace string
	failures  converter.FailureConverter
}

// InterceptClient implements interceptor.ClientInterceptor.
func (a *answering) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	out := &answeringOutbound{answering: a}
	out.Next = next
	return out
}

type answeringOutbound struct {
	interceptor.ClientOutboundInterceptorBase
	*answering
}

// QueryWorkflow implements interceptor.ClientOutboundInterceptor.
func (a *answeringOutbound) QueryWorkflow(ctx context.Context, in *interceptor.ClientQueryWorkflowInput) (converter.EncodedValue, error) {
	value, err := a.Next.QueryWorkflow(ctx, in)
	var failed *serviceerror.QueryFailed
	if errors.As(err, &failed) && failed.Failure != nil {
		at := converter.WorkflowSerializationContext{Namespace: a.namespace, WorkflowID: in.WorkflowID}
		err = errors.Join(converter.WithFailureConverterSerializationContext(a.failures, at).FailureToError(failed.Failure), failed)
	}
	return value, err
}

var _ interceptor.ClientInterceptor = (*answering)(nil)
