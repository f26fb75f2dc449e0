package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

// changing is a change of settings with activities that succeed, to be changed by a
// test.
type changing struct {
	env      *testsuite.TestWorkflowEnvironment
	probeErr error
	copyErr  error
	copied   []flow.CopyBackupsInput
	settled  []flow.SettleChangeInput
	settle   error // of what is not a drop
}

func newChanging() *changing {
	var suite testsuite.WorkflowTestSuite
	c := &changing{env: suite.NewTestWorkflowEnvironment()}
	c.env.SetTestTimeout(time.Minute)
	flow.ProbeShare.Register(c.env, func(context.Context, flow.ProbeShareInput) (flow.ProbeShareOutput, error) {
		return flow.ProbeShareOutput{Dialect: "SMB 3.1.1", Before: settings.Share{Path: `\\old\s`}, Held: 3}, flow.EncodeFault(c.probeErr)
	})
	flow.CopyBackups.Register(c.env, func(_ context.Context, in flow.CopyBackupsInput) (flow.CopyBackupsOutput, error) {
		c.copied = append(c.copied, in)
		return flow.CopyBackupsOutput{Backups: 3, Bytes: 30}, flow.EncodeFault(c.copyErr)
	})
	flow.SettleChange.Register(c.env, func(_ context.Context, in flow.SettleChangeInput) (settings.Summary, error) {
		c.settled = append(c.settled, in)
		if in.Drop {
			return settings.Summary{}, nil
		}
		return settings.Summary{Revision: in.Revision}, flow.EncodeFault(c.settle)
	})
	return c
}

func TestChangeShareCopiesBeforeItSwitches(t *testing.T) {
	for _, withCopy := range []bool{false, true} {
		c := newChanging()
		c.env.ExecuteWorkflow(ChangeShare, flow.ChangeSettingsInput{Revision: 2, Copy: withCopy})
		var out flow.ChangeShareOutput
		require.NoError(t, c.env.GetWorkflowResult(&out))
		require.Equal(t, int64(2), out.Settings.Revision)
		require.Equal(t, 3, out.LeftBehind)
		require.Equal(t, `\\old\s`, out.Before.Path)
		require.Equal(t, withCopy, len(c.copied) == 1)
		require.Equal(t, withCopy, out.Copied == 3)
		require.Equal(t, []flow.SettleChangeInput{{Revision: 2}}, c.settled)
	}
}

// Whatever fails, the proposal is dropped with the reason, and nothing becomes active.
func TestRefusedChangesAreDropped(t *testing.T) {
	refused := fault.Newf(fault.ShareAuthFailed, "refused")
	for name, spoil := range map[string]func(*changing){
		"probe":  func(c *changing) { c.probeErr = refused },
		"copy":   func(c *changing) { c.copyErr = refused },
		"settle": func(c *changing) { c.settle = refused },
	} {
		for workflowName, workflow := range map[string]any{
			"enable": Enable, "share": ChangeShare, "credentials": ChangeCredentials, "key": ChangeKey, "signing": ChangeSigningKey,
		} {
			t.Run(name+" "+workflowName, func(t *testing.T) {
				c := newChanging()
				spoil(c)
				c.env.ExecuteWorkflow(workflow, flow.ChangeSettingsInput{Revision: 2, Copy: true})
				require.Equal(t, fault.ShareAuthFailed, flow.DecodeFault(c.env.GetWorkflowError()).Code)
				last := c.settled[len(c.settled)-1]
				require.Equal(t, flow.SettleChangeInput{Revision: 2, Drop: true, Code: "SHARE_AUTH_FAILED", Message: "refused"}, last)
			})
		}
	}
}
