package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	local "infrabackup/internal/operator"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
	"infrabackup/tests/tier"
)

// restored is an instance with a backup of one stamp, and another stamp, right after its
// installation, that its workers may restore into.
type restored struct {
	*controller
	into   *stamp.Stamp
	file   string // of the target
	backup backup.ID
	place  *local.LocalRepo
	key    seal.Identity
	at     *control.Controller
}

const intoID = "99999999-2222-4333-8444-555555555555"

// newRestored makes one. Its worker is stopped.
func newRestored(t *testing.T, resources int) *restored {
	t.Helper()
	from := newCloud(t, resources, 0)
	collectors, err := from.source.collectors()
	require.NoError(t, err)
	r := &restored{controller: newIdleController(t, collectors...)}
	r.start()
	t.Cleanup(func() { r.stop() })
	summary := r.enable()
	id, run := r.begin()
	overview, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, backup.Succeeded, overview.Status)
	r.stop()
	r.backup = id

	contents, err := inventory.Empty(inventory.Options{Seed: 7, Domain: r.instance.FQDN})
	require.NoError(t, err)
	r.into, err = stamp.Start(stamp.Options{Domain: r.instance.FQDN, Contents: contents, Versions: stamp.UncommonTypes()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.into.Close()) })
	folder := t.TempDir()
	r.file = filepath.Join(folder, "target.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "ca.pem"), r.into.CA(), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "secret"), []byte(r.into.ClientSecret()+"\n"), 0o600))
	require.NoError(t, os.WriteFile(r.file, fmt.Appendf(nil, `name: site-b
fqdn: %s
deploymentId: %s
azure: {managementUrl: %s, adminManagementUrl: %s, authorityUrl: %s, clientId: %s, clientSecretFile: secret, caFile: ca.pem, resolver: %s}
emptyDisks: true
`, r.instance.FQDN, intoID, r.into.TenantURL(), r.into.AdminURL(), r.into.AuthorityURL(), r.into.ClientID(), r.into.Resolver()), 0o600))
	r.targets = map[string]string{"site-b": r.file}

	store, err := dir.Open(r.shareDir)
	require.NoError(t, err)
	r.place = local.New(store, r.instance.Name)
	r.place.Signers = seal.AllowedSigners(summary.SigningKey)
	t.Cleanup(func() { require.NoError(t, r.place.Close()) })
	found, key, err := restoring.BackupKey(t.Context(), r.place, backup.Latest, r.operator)
	require.NoError(t, err)
	require.Equal(t, id, found)
	r.key = key
	r.at = control.New(r.client, temporal.DataConverter(codec.New(r.ring)), "default", r.instance.Name)
	return r
}

func (r *restored) access() flow.RestoreAccess {
	return flow.RestoreAccess{Target: "site-b", Key: secret.NewTransfer(r.key.Text()), RequestedBy: "test"}
}

// recipients are the operator's public keys.
func (r *restored) recipients() (all []string) {
	for _, identity := range r.operator {
		all = append(all, identity.Public())
	}
	return all
}

// plan lets a worker plan to restore everything, or to undo a restore.
func (r *restored) plan(undoes string) (flow.RestorePlan, error) {
	return r.at.PlanRestore(r.t.Context(), flow.RestorePlanInput{RestoreAccess: r.access(), BackupID: r.backup, Undoes: undoes, Recipients: r.recipients()})
}

// input is the consent to a plan.
func (r *restored) input(id string) flow.RestoreInput {
	return flow.RestoreInput{RestoreAccess: r.access(), PlanID: id, BackupID: r.backup,
		Consent: restore.Consent{Production: intoID, Irreversible: []string{restore.AllIrreversible}}}
}

// named is the input of somebody who starts the workflow without looking first.
func (r *restored) named(id string) flow.RestoreInput {
	in := r.input(id)
	in.Instance = r.instance.Name
	return in
}

// apply lets a worker do what a plan says.
func (r *restored) apply(id string) (flow.RestoreResult, error) {
	begun, err := r.at.BeginRestore(r.t.Context(), r.input(id))
	if err != nil {
		return flow.RestoreResult{}, err
	}
	return r.at.WatchRestore(r.t.Context(), begun.ID, func(flow.RestoreAt) {})
}

// once makes sure that the target was told to make everything once, and that a further plan has
// nothing left to do.
func (r *restored) once() {
	r.t.Helper()
	made := map[string]int{}
	for _, w := range r.into.Writes() {
		if w.Method == http.MethodPut && w.Status < 300 {
			of := string(w.Endpoint) + " " + strings.ToLower(w.Path)
			if w.Endpoint == "vault" {
				of = w.Host + of + " " + w.Body // each version of a secret is put once
			}
			made[of]++
		}
	}
	require.NotEmpty(r.t, made)
	for id, times := range made {
		require.Equal(r.t, 1, times, id)
	}
	again, err := r.plan("")
	require.NoError(r.t, err)
	require.Zero(r.t, again.Counts.Create+again.Counts.Update, "%+v", again.Counts)
}

// TestRestoreByWorkers: a worker plans, does what the plan says and takes it back, and the plans
// and journals on the share are for the operator alone.
func TestRestoreByWorkers(t *testing.T) {
	t.Parallel()
	r := newRestored(t, 100)
	r.start()
	planned, err := r.plan("")
	require.NoError(t, err)
	require.Greater(t, planned.Counts.Create, 50)
	require.Empty(t, puts(r.into), "a plan writes nothing")

	// Refused: without consent, with another key, for another target, for a plan that is not there.
	for name, c := range map[string]struct {
		change func(*flow.RestoreInput)
		code   fault.Code
	}{
		"no consent to production": {func(in *flow.RestoreInput) { in.Consent.Production = "" }, fault.TargetProduction},
		"no such plan":             {func(in *flow.RestoreInput) { in.PlanID = strings.Repeat("ab", 32) }, fault.ItemNotFound},
		"no plan":                  {func(in *flow.RestoreInput) { in.PlanID = "../" + in.PlanID }, fault.RequestRefused},
		"another key":              {func(in *flow.RestoreInput) { in.Key = secret.NewTransfer(r.identity) }, fault.KeyDoesNotFit},
		"no key":                   {func(in *flow.RestoreInput) { in.Key = secret.NewTransfer(secret.New("canary")) }, fault.RequestRefused},
	} {
		in := r.input(planned.PlanID)
		c.change(&in)
		begun, err := r.at.BeginRestore(t.Context(), in)
		require.NoError(t, err, name)
		_, err = r.at.WatchRestore(t.Context(), begun.ID, func(flow.RestoreAt) {})
		require.Equal(t, c.code, fault.CodeOf(err), "%s: %v", name, err)
		require.NotContains(t, err.Error(), "canary")
	}
	require.Empty(t, puts(r.into), "what was refused wrote nothing")

	done, err := r.apply(planned.PlanID)
	require.NoError(t, err)
	require.True(t, done.Totals.Whole(), "%+v", done)
	require.GreaterOrEqual(t, done.Totals.Confirmed, planned.Counts.Create)
	r.once()
	_, err = r.apply(planned.PlanID)
	require.ErrorIs(t, err, fault.PlanApplied)

	plan, _, err := restoring.ReadPlan(t.Context(), r.place, planned.PlanID[:12], r.operator)
	require.NoError(t, err)
	require.Equal(t, planned.PlanID, plan.Header.PlanID)
	r.secretly()

	undo, err := r.plan(planned.PlanID)
	require.NoError(t, err)
	require.Positive(t, undo.Counts.Remove)
	undone, err := r.apply(undo.PlanID)
	require.NoError(t, err)
	require.True(t, undone.Totals.Whole(), "%+v", undone)
	restoredBy, _, err := statedir.Open(t.Context(), restoring.OnShare(r.place), planned.PlanID, r.operator)
	require.NoError(t, err)
	own, _, err := statedir.Open(t.Context(), restoring.OnShare(r.place), undo.PlanID, []seal.Identity{restoredBy.Key()})
	require.NoError(t, err, "an undo goes on with the key of the restore's plan, where the backup is gone")
	require.NoError(t, errors.Join(restoredBy.Close(), own.Close()))
	twice, err := r.plan(planned.PlanID)
	require.NoError(t, err)
	require.Equal(t, flow.RestorePlan{PlanID: undo.PlanID, Counts: undo.Counts, Begun: true}, twice)
	_, err = r.apply(undo.PlanID)
	require.ErrorIs(t, err, fault.PlanApplied)
	rows, err := restoring.List(t.Context(), restoring.OnShare(r.place), r.operator)
	require.NoError(t, err)
	states := map[string]string{}
	for _, row := range rows {
		states[row.PlanID] = row.State
	}
	require.Equal(t, "ended", states[planned.PlanID])
	require.Equal(t, "ended", states[undo.PlanID])

	audit, err := r.at.VerifyAll(t.Context())
	require.NoError(t, err)
	require.True(t, audit.Good(), "%+v: the folder of restores belongs to the instance", audit)
	require.Empty(t, audit.Foreign.Names)
}

// secretly makes sure that neither the share nor Temporal's memory shows the key of the backup,
// or the name of an item.
func (r *restored) secretly() {
	r.t.Helper()
	plan, _, err := restoring.ReadPlan(r.t.Context(), r.place, r.plans()[0], r.operator)
	require.NoError(r.t, err)
	canaries := []string{r.key.Text().Reveal(), plan.Steps[0].ID}
	files := 0
	for _, name := range held(r.t, filepath.Join(r.shareDir, r.instance.Name, backup.RestoresDir)) {
		files++
		for _, canary := range canaries {
			require.NotContains(r.t, readAll(r.t, name), canary, name)
		}
	}
	require.Greater(r.t, files, 4)
	events := r.client.GetWorkflowHistory(r.t.Context(), flow.RestoreWorkflowID(r.instance.Name), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(r.t, err)
		for _, canary := range canaries {
			require.NotContains(r.t, event.String(), canary)
		}
	}
}

// plans are the IDs of the plans on the share.
func (r *restored) plans() []string {
	r.t.Helper()
	rows, err := restoring.List(r.t.Context(), restoring.OnShare(r.place), r.operator)
	require.NoError(r.t, err)
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.PlanID)
	}
	return ids
}

func puts(s *stamp.Stamp) (all []stamp.Entry) {
	for _, w := range s.Writes() {
		if w.Method != http.MethodPost { // a POST asks what a GET does not tell
			all = append(all, w)
		}
	}
	return all
}

// TestRestoreAndBackupExcludeEachOther: neither begins beside the other, on none of the ways.
func TestRestoreAndBackupExcludeEachOther(t *testing.T) {
	t.Parallel()
	r := newRestored(t, 40)
	r.start()
	planned, err := r.plan("")
	require.NoError(t, err)
	r.stop() // so that what is begun goes on until the worker is back
	restoreRun, err := flow.Restore.Start(t.Context(), r.client, r.started(flow.RestoreWorkflowID(r.instance.Name)), r.named(planned.PlanID))
	require.NoError(t, err)
	_, err = r.at.BeginRestore(t.Context(), r.input(planned.PlanID))
	require.Contains(t, []fault.Code{fault.RestoreRunning, fault.NoWorker}, fault.CodeOf(err))
	_, err = r.at.Start(t.Context(), "test", 0)
	require.ErrorIs(t, err, fault.RestoreRunning)
	_, run := r.begin() // by somebody who does not look first
	r.start()
	_, backupErr := run.Get(t.Context())
	_, restoreErr := restoreRun.Get(t.Context())
	// Which of them looks first is open. One of them at least is refused, for the other's sake.
	require.False(t, backupErr == nil && restoreErr == nil, "a backup and a restore ran at the same time")
	if backupErr != nil {
		require.Equal(t, fault.RestoreRunning, fault.CodeOf(flow.DecodeFault(backupErr)), "%v", backupErr)
	}
	if restoreErr != nil {
		require.Equal(t, fault.BackupRunning, fault.CodeOf(flow.DecodeFault(restoreErr)), "%v", restoreErr)
	}

	r.stop()
	_, run = r.begin()
	_, err = r.at.BeginRestore(t.Context(), r.input(planned.PlanID))
	require.ErrorIs(t, err, fault.BackupRunning)
	r.start()
	_, err = run.Get(t.Context())
	require.NoError(t, err)
}

// restoring reports whether the restore goes on.
func (r *restored) restoring() bool {
	d, err := r.client.DescribeWorkflowExecution(r.t.Context(), flow.RestoreWorkflowID(r.instance.Name), "")
	require.NoError(r.t, err)
	return d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// TestRestoreIsKilled kills the worker process, without warning, at calls that write a journal,
// and at any moment in between: what the plan says comes about, once.
func TestRestoreIsKilled(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	for n := range tier.Size(1, 2, 25) {
		call, after := 1+random.IntN(60), random.IntN(2) == 0
		writes := []int{random.IntN(60), 60 + random.IntN(60)} // after which the worker is killed
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			r := newRestored(t, 60)
			r.start()
			planned, err := r.plan("")
			require.NoError(t, err)
			r.stop()
			workers := startWorkers(t, workerConfig{Address: server(t), Instance: r.instance, Host: "host-1", KeyLine: r.keyLine, SpoolDir: r.spoolDir,
				ShareDir: r.shareDir, Targets: r.targets, KillAtCall: call, KillAfter: after, Once: filepath.Join(t.TempDir(), "killed")})
			run, err := flow.Restore.Start(t.Context(), r.client, r.started(flow.RestoreWorkflowID(r.instance.Name)), r.named(planned.PlanID))
			require.NoError(t, err)
			for _, n := range writes {
				require.Eventually(t, func() bool { return len(puts(r.into)) >= n || !r.restoring() }, 3*time.Minute, time.Millisecond)
				workers.kill()
			}
			done, err := run.Get(t.Context())
			require.NoError(t, err)
			require.True(t, done.Totals.Whole(), "%+v", done)
			t.Logf("%d starts of the worker", workers.starts.Load())
			r.once()
		})
	}
}
