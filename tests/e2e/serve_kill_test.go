package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/tests/tier"
)

// operated is an operation that can be begun again and again, and the workflow that does it.
type operated struct {
	kind, workflow string // type and ID of the workflow
	begin          func(p *provider) (apiAnswer, error)
}

// operations are of every kind; newest is a backup to verify.
func (p *provider) operations(newest backup.ID) []operated {
	account, password := p.o.env["LAB_SHARE_USER"], strings.TrimSpace(readAll(p.o.t, p.o.env["LAB_SHARE_PASSWORD_FILE"]))
	changes := 0
	at := func(version, path string) string { return p.location(path) + "?api-version=" + version }
	return []operated{
		{flow.Backup.Name, flow.BackupWorkflowID(p.o.instance), func(p *provider) (apiAnswer, error) {
			return p.try(http.MethodPost, at("2018-09-01", "/createBackup"), nil)
		}},
		{flow.ChangeCredentials.Name, flow.ChangeSettingsWorkflowID(p.o.instance), func(p *provider) (apiAnswer, error) {
			changes++
			return p.try(http.MethodPut, at("2018-09-01", ""), store(m{"userName": fmt.Sprintf(`DOMAIN%d\%s`, changes, account), "password": password}))
		}},
		{flow.Prune.Name, flow.PruneWorkflowID(p.o.instance), func(p *provider) (apiAnswer, error) {
			return p.try(http.MethodPost, at("2018-09-01", "/pruneExternalStore"), m{"operationType": "DryRun"})
		}},
		{flow.Verify.Name, flow.VerifyWorkflowID(p.o.instance, newest), func(p *provider) (apiAnswer, error) {
			return p.try(http.MethodPost, p.base+"/api/v1/locations/local/backups/"+string(newest)+"/verify", nil)
		}},
	}
}

// ready waits until the process has read how things are.
func (p *provider) ready() {
	p.o.t.Helper()
	require.Eventually(p.o.t, func() bool {
		a := p.at(http.MethodGet, p.base+"/api/v1/locations/local/backups", nil)
		return a.status == http.StatusOK && strings.Contains(string(a.body), `"Succeeded"`)
	}, time.Minute, 50*time.Millisecond)
}

// newest is the newest run of a workflow, empty for none, and how it is.
func (o *operator) newest(c client.Client, workflow string) (string, enumspb.WorkflowExecutionStatus) {
	o.t.Helper()
	d, err := c.DescribeWorkflowExecution(o.t.Context(), workflow, "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return "", 0
	}
	require.NoError(o.t, err)
	return d.GetWorkflowExecutionInfo().GetExecution().GetRunId(), d.GetWorkflowExecutionInfo().GetStatus()
}

// end waits until the newest run of an operation has ended, and tells how.
func (o *operator) end(c client.Client, op operated, what string) enumspb.WorkflowExecutionStatus {
	o.t.Helper()
	var status enumspb.WorkflowExecutionStatus
	require.Eventually(o.t, func() bool {
		_, status = o.newest(c, op.workflow)
		return status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}, 2*time.Minute, 100*time.Millisecond, what)
	return status
}

// runs is how often a workflow was ever run.
func (o *operator) runs(c client.Client, op operated) int64 {
	o.t.Helper()
	counted, err := c.CountWorkflow(o.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: "default", Query: fmt.Sprintf("TaskQueue = %q AND WorkflowType = %q AND WorkflowId = %q", flow.Queue(o.instance), op.kind, op.workflow),
	})
	require.NoError(o.t, err)
	return counted.GetCount()
}

// ended follows an operation of the API, or of the product's own additions, to its end.
func (p *provider) ended(location string) apiAnswer {
	p.o.t.Helper()
	var end apiAnswer
	require.Eventually(p.o.t, func() bool {
		end = p.at(http.MethodGet, location, nil)
		return end.status != http.StatusAccepted && !strings.Contains(string(end.body), `"status":"Running"`)
	}, 3*time.Minute, 100*time.Millisecond)
	require.Equal(p.o.t, http.StatusOK, end.status, "%s", end.body)
	require.NotContains(p.o.t, string(end.body), `"status":"Failed"`)
	return end
}

// TestServeIsKilled ends the process at any moment from that at which an operation is asked
// for: what has begun goes on, the address that the caller was given answers again, and
// nothing is begun twice, by the process or by a caller who asks again when there was no answer.
func TestServeIsKilled(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	newest := o.backUp().BackupID
	p := o.serve()
	p.ready()
	c, err := client.Dial(client.Options{HostPort: o.env["TEMPORAL_ADDRESS"]})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	all := p.operations(newest)
	began := map[string]int64{}
	for _, op := range all {
		began[op.kind] = o.runs(c, op)
	}
	first, tries := random.IntN(len(all)), tier.Size(0, 3, 40)
	during, unanswered, refused := 0, 0, 0
	for n := range tries {
		op := all[(first+n)%len(all)]
		before, _ := o.newest(c, op.workflow)
		type outcome struct {
			answer apiAnswer
			err    error
		}
		result := make(chan outcome, 1)
		go func() {
			a, err := op.begin(p)
			result <- outcome{a, err}
		}()
		moment := time.Duration(random.Int64N(int64(1500 * time.Millisecond)))
		<-time.After(moment)
		p.kill()
		got := <-result
		if _, status := o.newest(c, op.workflow); status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			during++
		}
		p.start()
		p.ready()
		run, _ := o.newest(c, op.workflow)
		what := fmt.Sprintf("%s, killed after %s", op.kind, moment)
		switch {
		case got.err == nil:
			require.Equal(t, http.StatusAccepted, got.answer.status, "%s: %s", what, got.answer.body)
			require.NotEqual(t, before, run, "%s: it was accepted, and nothing runs", what)
		case run == before:
			// Nothing had begun, so that the caller's second try is the first that counts.
			got.answer, err = op.begin(p)
			require.NoError(t, err)
			require.Equal(t, http.StatusAccepted, got.answer.status, "%s: %s", what, got.answer.body)
			unanswered++
		default:
			unanswered++
			if o.end(c, op, what) == enumspb.WORKFLOW_EXECUTION_STATUS_FAILED {
				// The process ended between the start of the run and its go-ahead: such a run
				// does nothing, and a caller without an answer asks again.
				began[op.kind]++
				refused++
				got.answer, err = op.begin(p)
				require.NoError(t, err)
				require.Equal(t, http.StatusAccepted, got.answer.status, "%s: %s", what, got.answer.body)
			}
		}
		began[op.kind]++
		if location := got.answer.header.Get("Location"); location != "" {
			end := p.ended(location)
			require.Equal(t, end.body, p.ended(location).body, "%s: it has two ends", what)
		}
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, o.end(c, op, what), what)
	}
	for _, op := range all {
		require.Eventually(t, func() bool { return o.runs(c, op) >= began[op.kind] }, 30*time.Second, 200*time.Millisecond, op.kind)
		require.Equal(t, began[op.kind], o.runs(c, op), "%s was begun twice", op.kind)
	}
	require.Len(t, o.listed(), int(began[flow.Backup.Name]))
	o.good()
	t.Logf("%d of %d kills were while the operation ran, %d before the caller had an answer, %d before the run had its go-ahead", during, tries, unanswered, refused)
	tier.Tried(t, "kills of serve", int64(tries))
}
