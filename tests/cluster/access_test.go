package cluster

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/tests/lab/cluster"
)

// TestWholeBackup: command line and workers, each with certificate and token, make a backup on
// a cluster as TEMPORAL.md sets it up, and doctor finds it as it should be.
func TestWholeBackup(t *testing.T) {
	s := newSite(t, 1<<20)
	doctor := s.run("doctor")
	require.Zero(t, doctor.code, "%s%s", doctor.stdout, doctor.stderr)
	require.Contains(t, doctor.stdout, "keeps closed runs for 720 hours")
	require.NotContains(t, doctor.stdout, "are recommended")
	started := s.run("backup", "start", "--wait")
	require.Zero(t, started.code, "%s%s", started.stdout, started.stderr)
	s.backedUp(1)
}

// TestWhatAReaderMayDo: with a token that may only read, the namespace is seen and nothing in it
// can be changed, by the product or without it.
func TestWhatAReaderMayDo(t *testing.T) {
	s := newSite(t, 1<<10)
	ctx := t.Context()
	reader, err := shared.cluster.Dial(ctx, shared.cluster.Identity(cluster.Reader))
	require.NoError(t, err)
	defer reader.Close()
	settings, queue := flow.SettingsWorkflowID(s.instance), flow.Queue(s.instance)

	listed, err := reader.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{})
	require.NoError(t, err)
	require.NotEmpty(t, listed.GetExecutions())
	_, err = reader.DescribeWorkflowExecution(ctx, settings, "")
	require.NoError(t, err)
	require.True(t, reader.GetWorkflowHistory(ctx, settings, "", false, 0).HasNext())
	_, err = reader.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: cluster.Namespace})
	require.NoError(t, err)

	refused := map[string]func() error{
		"start": func() error {
			_, err := reader.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: s.instance + ":reader", TaskQueue: queue}, "Backup")
			return err
		},
		"signal": func() error { return reader.SignalWorkflow(ctx, settings, "", "begin", nil) },
		"signal with start": func() error {
			_, err := reader.SignalWithStartWorkflow(ctx, settings, "begin", nil, client.StartWorkflowOptions{TaskQueue: queue}, "Settings")
			return err
		},
		"cancel":    func() error { return reader.CancelWorkflow(ctx, settings, "") },
		"terminate": func() error { return reader.TerminateWorkflow(ctx, settings, "", "by a reader") },
		"update": func() error {
			_, err := reader.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: settings, UpdateName: "propose", WaitForStage: client.WorkflowUpdateStageAccepted})
			return err
		},
		"reset": func() error {
			_, err := reader.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{Namespace: cluster.Namespace,
				WorkflowExecution: listed.GetExecutions()[0].GetExecution(), WorkflowTaskFinishEventId: 3})
			return err
		},
		"delete": func() error {
			_, err := reader.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{Namespace: cluster.Namespace,
				WorkflowExecution: listed.GetExecutions()[0].GetExecution()})
			return err
		},
		"poll": func() error {
			_, err := reader.WorkflowService().PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{Namespace: cluster.Namespace})
			return err
		},
		"change the namespace": func() error {
			_, err := reader.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{Namespace: cluster.Namespace})
			return err
		},
		"see another namespace": func() error {
			_, err := reader.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "temporal-system"})
			return err
		},
	}
	for what, try := range refused {
		var denied *serviceerror.PermissionDenied
		require.ErrorAs(t, try(), &denied, what)
	}
	// The same calls are refused for being a reader's: an operator's are not.
	require.NoError(t, s.sdk.SignalWorkflow(ctx, settings, "", "unknown to it", nil))
	// What an administrator of the cluster does is not for operators either.
	_, err = s.sdk.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{Namespace: cluster.Namespace})
	var denied *serviceerror.PermissionDenied
	require.ErrorAs(t, err, &denied)

	// The Web UI lists namespaces first, which takes more than a right in one of them.
	_, err = reader.WorkflowService().ListNamespaces(ctx, &workflowservice.ListNamespacesRequest{})
	require.ErrorAs(t, err, &denied)
	all := shared.cluster.Identity(cluster.Reader)
	all.Token, err = shared.cluster.Token(ctx, "all-"+s.instance, "temporal-system:read", 3600)
	require.NoError(t, err)
	viewer, err := shared.cluster.Dial(ctx, all)
	require.NoError(t, err)
	defer viewer.Close()
	_, err = viewer.WorkflowService().ListNamespaces(ctx, &workflowservice.ListNamespacesRequest{})
	require.NoError(t, err)
	_, err = viewer.DescribeWorkflowExecution(ctx, settings, "")
	require.NoError(t, err)
	require.ErrorAs(t, viewer.TerminateWorkflow(ctx, settings, "", "by a viewer"), &denied)

	env, err := shared.cluster.Env(shared.cluster.Identity(cluster.Reader))
	require.NoError(t, err)
	a, err := s.runAs(env, "backup", "start")
	require.NoError(t, err)
	require.Equal(t, fault.TemporalUnreachable.Exit(), a.code, "%s%s", a.stdout, a.stderr)
	t.Logf("the command line of a reader: %s", a.stderr)
	s.backedUp(0)
}

// TestWhoIsNotLetIn: the frontend talks to holders of a certificate of its clients' authority
// alone, and does nothing for those among them who have no token of its own.
func TestWhoIsNotLetIn(t *testing.T) {
	s := newSite(t, 1<<10)
	ctx := t.Context()
	good := shared.cluster.Identity(cluster.Operator)
	describe := func(id cluster.Identity) error {
		sdk, err := shared.cluster.Dial(ctx, id)
		if err != nil {
			return err
		}
		defer sdk.Close()
		_, err = sdk.DescribeWorkflowExecution(ctx, flow.SettingsWorkflowID(s.instance), "")
		return err
	}
	require.NoError(t, describe(good))

	with := func(change func(*cluster.Identity)) cluster.Identity {
		id := good
		change(&id)
		return id
	}
	ended, endedKey, err := shared.cluster.Certificate(ctx, "ended-"+s.instance, -1)
	require.NoError(t, err)
	home := filepath.Dir(good.Certificate)
	foreign := foreignCluster(t, home)
	oldToken, err := shared.cluster.Token(ctx, "old-"+s.instance, "backup:write", -60)
	require.NoError(t, err)
	elsewhere, err := shared.cluster.Token(ctx, "elsewhere-"+s.instance, "another:write", 3600)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		id     cluster.Identity
		denied bool // by the authorizer, else by TLS
	}{
		"no certificate":                       {with(func(id *cluster.Identity) { id.Certificate, id.Key = "", "" }), false},
		"a certificate that has ended":         {with(func(id *cluster.Identity) { id.Certificate, id.Key = ended, endedKey }), false},
		"a certificate of a foreign authority": {with(func(id *cluster.Identity) { id.Certificate, id.Key = foreign.Certificate, foreign.Key }), false},
		"a certificate of the cluster itself": {with(func(id *cluster.Identity) {
			id.Certificate, id.Key = filepath.Join(home, "internode.pem"), filepath.Join(home, "internode.key")
		}), false},
		"no token":                      {with(func(id *cluster.Identity) { id.Token = "" }), true},
		"a token that has ended":        {with(func(id *cluster.Identity) { id.Token = oldToken }), true},
		"a token of a foreign key":      {with(func(id *cluster.Identity) { id.Token = foreign.Token }), true},
		"a token for another namespace": {with(func(id *cluster.Identity) { id.Token = elsewhere }), true},
	} {
		t.Run(name, func(t *testing.T) {
			err := describe(c.id)
			var denied *serviceerror.PermissionDenied
			if c.denied {
				require.ErrorAs(t, err, &denied)
			} else {
				require.Error(t, err)
				require.NotErrorAs(t, err, &denied)
			}
			t.Logf("%v", err)
			env, err := shared.cluster.Env(c.id)
			require.NoError(t, err)
			a, err := s.runAs(env, "settings", "show")
			require.NoError(t, err)
			require.Equal(t, fault.TemporalUnreachable.Exit(), a.code, "%s%s", a.stdout, a.stderr)
			t.Logf("exit status %d: %s", a.code, a.stderr)
		})
	}
}

// foreignCluster makes authorities and a signing key of another cluster, and an operator of it.
func foreignCluster(t *testing.T, scripts string) cluster.Identity {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "bash", "-euc",
		`bash "$1/certificates.sh" cluster temporal.example.com; bash "$1/certificates.sh" client operator; bash "$1/token.sh" key; bash "$1/token.sh" operator backup:write > operator.token`, "foreign", scripts)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Chmod(filepath.Join(dir, "operator.token"), 0o600))
	in := func(name string) string { return filepath.Join(dir, name) }
	return cluster.Identity{Certificate: in("operator.pem"), Key: in("operator.key"), Token: in("operator.token")}
}
