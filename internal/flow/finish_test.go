package flow

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// hastyClient is a client whose caller goes away as soon as its run is there.
type hastyClient struct {
	client.Client
	leave    context.CancelFunc
	signaled []string
}

type hastyRun struct{ client.WorkflowRun }

func (hastyRun) GetID() string    { return "w" }
func (hastyRun) GetRunID() string { return "r" }

func (c *hastyClient) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	c.leave()
	return hastyRun{}, nil
}

func (c *hastyClient) SignalWorkflow(ctx context.Context, _, _, name string, _ any) error {
	if _, bounded := ctx.Deadline(); bounded && ctx.Err() == nil {
		c.signaled = append(c.signaled, name)
	}
	return ctx.Err()
}

// TestARunThatIsThereGetsItsGoAhead also when its caller has gone: else it would be refused.
func TestARunThatIsThereGetsItsGoAhead(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &hastyClient{leave: cancel}
	_, err := testWorkflow.Start(ctx, c, client.StartWorkflowOptions{}, question{"x"})
	require.NoError(t, err)
	require.Equal(t, []string{Begin.Name}, c.signaled)
}
