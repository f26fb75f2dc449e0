package activities

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

// entity answers the questions that activities ask the settings entity.
type entity struct {
	client.Client
	answers map[string]any // by query
}

// QueryWorkflow implements client.Client.
func (e *entity) QueryWorkflow(_ context.Context, _, _, query string, _ ...any) (converter.EncodedValue, error) {
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(e.answers[query])
	return answered{payloads}, err
}

// trusting are settings of an instance that can be used, and trust a key besides their
// own.
func trusting(t *testing.T, instance, public string) settings.Settings {
	t.Helper()
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	_, r, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	return settings.Settings{
		Revision: 1, Instance: backup.Instance{Name: instance}, Controller: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
		Share:      settings.Share{Path: `\\fs.example.test\s`, Transport: share.Encrypted},
		Credential: settings.Credential{Username: "u", Password: secret.NewTransfer(secret.New("p"))},
		Recipients: []settings.Recipient{{Recipient: backup.Recipient{Kind: r.Kind, Fingerprint: r.Fingerprint}, Text: r.Text}},
		Signing:    settings.Signing{PrivateKey: secret.NewTransfer(text), Public: key.Public(), Former: []string{public}},
	}
}

// UpdateWorkflow implements client.Client.
func (e *entity) UpdateWorkflow(context.Context, client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	return nil, errors.New("it takes no updates")
}

// DescribeWorkflowExecution implements client.Client.
func (e *entity) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run-1"}, Type: &commonpb.WorkflowType{Name: flow.Settings.Name},
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
	}}, nil
}

// answered is an entity's answer.
type answered struct{ payloads *commonpb.Payloads }

// HasValue implements converter.EncodedValue.
func (a answered) HasValue() bool { return a.payloads != nil }

// Get implements converter.EncodedValue.
func (a answered) Get(to any) error {
	return converter.GetDefaultDataConverter().FromPayloads(a.payloads, to)
}

// TestVerifyBackupAsksTheLedger verifies a backup from before the ledger, alone and as
// one of many.
func TestVerifyBackupAsksTheLedger(t *testing.T) {
	const instance, id = "t-0ec3988e", backup.ID("1945dfe4-d16c-4b36-9096-1deceb046647")
	frozen := filepath.Join("..", "tests", "compat", "testdata", "v1", "share")
	list, err := os.ReadFile(filepath.Join(frozen, instance, backup.AllowedSignersFile))
	require.NoError(t, err)
	keys, err := seal.ParseAllowedSigners(list)
	require.NoError(t, err)
	s := trusting(t, instance, keys[0])
	folder := filepath.Join(t.TempDir(), "share")
	require.NoError(t, os.CopyFS(folder, os.DirFS(frozen)))
	require.NoError(t, os.WriteFile(filepath.Join(folder, instance, backup.AllowedSignersFile), allowed(s.Signing.Publics()), 0o600))
	a := New(Dependencies{
		Instance: backup.Instance{Name: instance},
		Client: &entity{answers: map[string]any{
			flow.GetSettings.Name: s,
			flow.GetLedger.Name:   backup.LedgerHead{},
		}},
		OpenStore: func(context.Context, settings.Settings) (share.Store, error) { return dir.Open(folder) },
	})
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a.VerifyBackup)
	for only, want := range map[bool]*backup.LedgerSeen{false: {HeadKnown: true}, true: nil} {
		value, err := env.ExecuteActivity(a.VerifyBackup, flow.VerifyInput{Instance: instance, BackupID: id, BackupOnly: only})
		require.NoError(t, err)
		var verdict backup.Verdict
		require.NoError(t, value.Get(&verdict))
		require.Empty(t, verdict.Findings)
		require.Equal(t, want, verdict.Ledger)
	}
}
