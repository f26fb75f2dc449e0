package workflows

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/restore"
	"infrabackup/internal/schedule"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/tests/lab"
)

var record = flag.Bool("update", false, "record histories with a real Temporal server into testdata, beside the ones that are there")

const histories = "testdata/histories"

// TestReplay holds today's code to the histories that earlier code recorded: a run
// that began before an upgrade must go on after it.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(histories, "*.json"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 8)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			replayer := worker.NewWorkflowReplayer()
			Register(replayer)
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var h historypb.History
			require.NoError(t, protojson.Unmarshal(data, &h))
			began := h.Events[0].GetWorkflowExecutionStartedEventAttributes() // an alarm looks at its ID
			require.NoError(t, replayer.ReplayWorkflowHistoryWithOptions(nil, &h, worker.ReplayWorkflowHistoryOptions{
				OriginalExecution: workflow.Execution{ID: began.GetWorkflowId(), RunID: began.GetOriginalExecutionRunId()},
			}))
		})
	}
}

// TestReplayNoticesChanges proves that TestReplay can fail: a history whose steps are
// in another order is refused.
func TestReplayNoticesChanges(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(histories, "v1-backup-succeeded.json"))
	require.NoError(t, err)
	var h historypb.History
	require.NoError(t, protojson.Unmarshal(data, &h))
	for _, event := range h.Events {
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil && a.ActivityType.Name == flow.SealBackup.Name {
			a.ActivityType.Name = flow.PublishBackup.Name
		}
	}
	replayer := worker.NewWorkflowReplayer()
	Register(replayer)
	require.ErrorContains(t, replayer.ReplayWorkflowHistory(nil, &h), "nondeterministic")
}

// TestRecord runs every workflow on a real server with stand-in activities, and keeps
// the histories. It runs with -update only, and never overwrites.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("histories are recorded with -update only")
	}
	r := &recorder{t: t, client: lab.DevServer(t).Client()}
	r.work()

	r.cancelled("v5-backup-cancelled-at-once", "5", 1)
	r.cancelled("v5-backup-refused-when-cancelled", "6", 1)
	r.cancelled("v5-backup-cancelled-without-a-worker", "7", 1)
	r.backup("v5-backup", "plain")
	r.one("v4-key-file", flow.KeyFile.Name, flow.KeyFileInput{Instance: "record", BackupID: testID})
	r.one("v4-diff", flow.Diff.Name, diffs.Input{Instance: "record", A: diffs.Side{BackupID: testID}, B: diffs.Side{BackupID: testID}, RequestedBy: "test"})
	r.one("v4-drills", flow.Drills.Name, drills.Input{Instance: "record", Count: 1})
	r.one("v4-restores", flow.Restores.Name, restores.Input{Instance: "record"})
	r.one("v4-restore-plan", flow.PlanRestore.Name, flow.RestorePlanInput{RestoreAccess: restoreInput().RestoreAccess, BackupID: testID})
	planned := restoreInput()
	planned.PlanID, planned.First = "", &flow.RestoreFirst{Recipients: []string{"age1x"}, Production: true}
	r.one("v4-restore-plans-first", flow.Restore.Name, planned)
	r.one("v4-restore", flow.Restore.Name, restoreInput())
	r.upkeep("v4-upkeep")
	r.one("v4-prune", flow.Prune.Name, flow.PruneInput{Instance: "record", RequestedBy: "test"})
	r.backup("v1-backup-succeeded", "plain")
	r.backup("v1-backup-partial", "partial")
	r.backup("v1-backup-share-full", "full")
	r.backup("v1-backup-captured-again", "lost")
	r.cancelled("v1-backup-cancelled", "4", parallelServices)
	r.enable("v1-enable-refused", "v1-settings-refused", true)
	r.enable("v1-enable", "v1-settings", false)
	r.backup("v3-backup-source-queues", "plain")
	r.backup("v4-backup-inline-lists", "plain")
	r.one("v3-diagnose-hosts", flow.Diagnose.Name, flow.DiagnoseInput{Instance: "record", Hosts: []string{"h1"}})
	r.one("v1-list", flow.List.Name, flow.ListInput{})
	r.one("v1-verify", flow.Verify.Name, flow.VerifyInput{BackupID: testID})
	r.one("v1-delete", flow.Delete.Name, flow.DeleteInput{BackupID: testID})
	r.one("v1-diagnose", flow.Diagnose.Name, flow.DiagnoseInput{})
	r.one("v1-verify-all", flow.VerifyAll.Name, flow.AuditInput{Instance: "record"})
	r.one("v1-rewrap", flow.Rewrap.Name, flow.RewrapInput{Instance: "record"})
	r.one("v1-reencrypt", flow.Reencrypt.Name, flow.ReencryptInput{Instance: "record"})
	r.changes()
}

// upkeep records a run in which everything is due, as a Temporal Schedule starts it.
func (r *recorder) upkeep(name string) {
	run, err := r.client.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{ID: "record:upkeep", TaskQueue: recordQueue}, flow.Upkeep.Name)
	require.NoError(r.t, err)
	require.NoError(r.t, run.Get(r.t.Context(), nil))
	r.save(name, run)
}

type recorder struct {
	t      *testing.T
	client client.Client
	lost   bool
	refuse bool
}

const recordQueue = "infrabackup-record"

// work registers activities whose behaviour follows from who asked for the backup.
func (r *recorder) work() {
	mode := func(id backup.ID) string {
		return map[byte]string{'1': "partial", '2': "full", '3': "lost", '4': "slow"}[id[0]]
	}
	for _, queue := range []string{
		recordQueue, flow.SpoolQueue("record", "h1"), flow.SourceQueue("record", backup.AD), flow.SourceQueue("record", backup.CA), flow.TargetQueue("local", "site-b"),
	} {
		w := worker.New(r.client, queue, worker.Options{})
		Register(w)
		flow.CheckShare.Register(w, func(ctx context.Context, in flow.CheckShareInput) (flow.CheckShareOutput, error) {
			switch in.BackupID[0] {
			case '5':
				return flow.CheckShareOutput{}, untilCancelled(ctx)
			case '7': // as a worker that has ended
				<-r.t.Context().Done()
			case '6':
				_ = untilCancelled(ctx)
				return flow.CheckShareOutput{}, flow.EncodeFault(fault.Newf(fault.ShareAuthFailed, "refused"))
			}
			return flow.CheckShareOutput{Revision: 1, Services: []backup.Service{backup.AD, backup.CA}}, nil
		})
		flow.MakeRestorePlan.Register(w, func(context.Context, flow.RestorePlanInput) (flow.RestorePlan, error) {
			return flow.RestorePlan{PlanID: restoreInput().PlanID}, nil
		})
		flow.OpenRestore.Register(w, func(context.Context, flow.RestoreInput) (flow.OpenedRestore, error) {
			return flow.OpenedRestore{Batches: 2}, nil
		})
		flow.CompareRestore.Register(w, func(context.Context, flow.RestoreInput) (struct{}, error) { return struct{}{}, nil })
		flow.RestoreBatch.Register(w, func(context.Context, flow.RestoreBatchInput) (restore.Totals, error) {
			return restore.Totals{Confirmed: 5}, nil
		})
		flow.CloseRestore.Register(w, func(context.Context, flow.RestoreInput) (struct{}, error) { return struct{}{}, nil })
		flow.PrepareKey.Register(w, func(context.Context, flow.PrepareKeyInput) (flow.PrepareKeyOutput, error) {
			return flow.PrepareKeyOutput{Recipient: "age1x", WorkKeyID: "k"}, nil
		})
		for _, s := range backup.Services() {
			flow.Collect(s).Register(w, func(ctx context.Context, in flow.CollectInput) (flow.CollectOutput, error) {
				switch {
				case mode(in.BackupID) == "partial" && in.Service == backup.CA:
					return flow.CollectOutput{}, flow.EncodeFault(fault.Newf(fault.SourceAccessDenied, "denied"))
				case mode(in.BackupID) == "slow":
					return flow.CollectOutput{}, untilCancelled(ctx)
				}
				return flow.CollectOutput{Host: "h1", Result: backup.ServiceResult{Service: in.Service}, Part: backup.File{Name: backup.PartFile(in.Service)}}, nil
			})
		}
		flow.UploadPart.Register(w, func(_ context.Context, in flow.UploadPartInput) (flow.UploadPartOutput, error) {
			if mode(in.BackupID) == "full" {
				return flow.UploadPartOutput{}, flow.EncodeFault(fault.Newf(fault.ShareFull, "no space left"))
			}
			if mode(in.BackupID) == "lost" && in.Service == backup.AD && !r.lost {
				r.lost = true
				return flow.UploadPartOutput{}, flow.EncodeFault(fault.Newf(fault.SpoolLost, "gone"))
			}
			return flow.UploadPartOutput{Part: in.Part, Index: in.Index}, nil
		})
		flow.SealBackup.Register(w, func(_ context.Context, in flow.SealBackupInput) (flow.SealBackupOutput, error) {
			return flow.SealBackupOutput{Status: backup.Overall(in.Services)}, nil
		})
		flow.PublishBackup.Register(w, func(context.Context, flow.PublishBackupInput) (flow.PublishBackupOutput, error) {
			return flow.PublishBackupOutput{Path: "p"}, nil
		})
		flow.ReleaseSpool.Register(w, func(context.Context, flow.ReleaseSpoolInput) (struct{}, error) { return struct{}{}, nil })
		flow.DiscardBackup.Register(w, func(context.Context, flow.DiscardBackupInput) (flow.DiscardBackupOutput, error) {
			return flow.DiscardBackupOutput{}, nil
		})
		r.lookers(w)
		require.NoError(r.t, w.Start())
		r.t.Cleanup(w.Stop)
	}
}

// untilCancelled reports that it is alive until it is cancelled.
func untilCancelled(ctx context.Context) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			activity.RecordHeartbeat(ctx)
		}
	}
}

func (r *recorder) lookers(w worker.Worker) {
	flow.ProbeShare.Register(w, func(context.Context, flow.ProbeShareInput) (flow.ProbeShareOutput, error) {
		if r.refuse {
			return flow.ProbeShareOutput{}, flow.EncodeFault(fault.Newf(fault.ShareAuthFailed, "refused"))
		}
		return flow.ProbeShareOutput{Dialect: "SMB 3.1.1"}, nil
	})
	flow.SettleChange.Register(w, func(ctx context.Context, in flow.SettleChangeInput) (settings.Summary, error) {
		choice := flow.SettingsApplication{Revision: in.Revision}
		if in.Drop {
			_, err := flow.DropSettings.Send(ctx, r.client, "record:settings", flow.SettingsDrop{Revision: in.Revision})
			return settings.Summary{}, err
		}
		proposal, err := flow.GetSettings.Ask(ctx, r.client, "record:settings", flow.SettingsChoice{Revision: in.Revision})
		if err != nil {
			return settings.Summary{}, err
		}
		key, err := seal.ParseSigningKey(proposal.Signing.PrivateKey.String)
		if err != nil {
			return settings.Summary{}, err
		}
		probe, err := settings.Probe{Fingerprint: proposal.Fingerprint(), At: time.Now().UTC()}.Sign(key)
		if err != nil {
			return settings.Summary{}, err
		}
		choice.Probe = &probe
		return flow.ApplySettings.Send(ctx, r.client, "record:settings", choice)
	})
	flow.CopyBackups.Register(w, func(context.Context, flow.CopyBackupsInput) (flow.CopyBackupsOutput, error) {
		return flow.CopyBackupsOutput{}, nil
	})
	flow.AuditShare.Register(w, func(context.Context, flow.AuditInput) (flow.AuditOutput, error) {
		return flow.AuditOutput{Backups: []backup.ID{testID, "1" + testID[1:]}}, nil
	})
	flow.ReplaceKeys.Register(w, func(context.Context, flow.RewrapInput) (flow.RewrapOutput, error) { return flow.RewrapOutput{}, nil })
	flow.SwapBackup.Register(w, func(context.Context, flow.ReencryptInput) (flow.ReplacedBackup, error) {
		return flow.ReplacedBackup{}, nil
	})
	flow.ListBackups.Register(w, func(context.Context, flow.ListInput) (flow.ListOutput, error) { return flow.ListOutput{}, nil })
	flow.ReadKeyFile.Register(w, func(_ context.Context, in flow.KeyFileInput) (flow.KeyFileOutput, error) {
		return flow.KeyFileOutput{BackupID: in.BackupID, Public: "age1x", KeyAge: []byte("key")}, nil
	})
	flow.CompareBackups.Register(w, func(context.Context, diffs.Input) (diffs.Output, error) {
		return diffs.Output{RequestedBy: "test"}, nil
	})
	flow.ReadDrills.Register(w, func(context.Context, drills.Input) (drills.Output, error) { return drills.Output{}, nil })
	flow.ReadRestores.Register(w, func(context.Context, restores.Input) (restores.Output, error) { return restores.Output{}, nil })
	flow.VerifyBackup.Register(w, func(context.Context, flow.VerifyInput) (backup.Verdict, error) { return backup.Verdict{}, nil })
	flow.DeleteBackup.Register(w, func(context.Context, flow.DeleteInput) (backup.Overview, error) { return backup.Overview{}, nil })
	flow.PlanUpkeep.Register(w, func(_ context.Context, in flow.PlanUpkeepInput) (flow.PlanUpkeepOutput, error) {
		if in.SlotOnly {
			return flow.PlanUpkeepOutput{Due: true, Slot: in.Now, BackupID: testID}, nil
		}
		return flow.PlanUpkeepOutput{
			Enabled: true, Verify: []backup.ID{testID}, Prune: flow.PrunePlan{Decisions: []flow.PruneDecision{{BackupID: testID, Remove: true}}},
		}, nil
	})
	flow.StartScheduled.Register(w, func(context.Context, flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
		return flow.StartScheduledOutput{Outcome: schedule.Started}, nil
	})
	flow.DiagnoseHost.Register(w, func(context.Context, flow.DiagnoseInput) (diagnosis.Report, error) {
		return diagnosis.Report{}, nil
	})
}

func (r *recorder) start(name, workflow string, in any) client.WorkflowRun {
	run, err := r.client.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{ID: name, TaskQueue: recordQueue}, workflow, in)
	require.NoError(r.t, err)
	return run
}

func (r *recorder) one(name, workflow string, in any) {
	run := r.start(name, workflow, in)
	_ = run.Get(r.t.Context(), nil) // a failure is a history, too
	r.save(name, run)
}

func (r *recorder) backup(name, mode string) {
	first := map[string]string{"plain": "0", "partial": "1", "full": "2", "lost": "3", "slow": "4"}[mode]
	r.one(name, flow.Backup.Name, flow.BackupInput{Instance: "record", BackupID: backup.ID(first) + testID[1:]})
}

// cancelled records a run that is cancelled while so many activities are pending.
func (r *recorder) cancelled(name, first string, pending int) {
	run := r.start(name, flow.Backup.Name, flow.BackupInput{Instance: "record", BackupID: backup.ID(first) + testID[1:]})
	require.Eventually(r.t, func() bool {
		d, err := r.client.DescribeWorkflowExecution(r.t.Context(), name, "")
		return err == nil && len(d.PendingActivities) == pending
	}, 20*time.Second, 50*time.Millisecond)
	require.NoError(r.t, r.client.CancelWorkflow(r.t.Context(), name, ""))
	_ = run.Get(r.t.Context(), nil) // cancelled
	r.save(name, run)
}

func (r *recorder) enable(name, entityName string, refuse bool) {
	r.refuse = refuse
	entity := "record:settings"
	if !refuse { // what was refused before has left an entity
		require.NoError(r.t, r.client.TerminateWorkflow(r.t.Context(), entity, "", "recorded"))
	}
	_, err := r.client.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{
		ID: entity, TaskQueue: recordQueue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, flow.Settings.Name, flow.SettingsState{Instance: "record"})
	require.NoError(r.t, err)
	first := validSettings()
	first.Instance.Name = "record"
	revision, err := flow.ProposeSettings.Send(r.t.Context(), r.client, entity, flow.SettingsProposal{Settings: first})
	require.NoError(r.t, err)
	r.one(name, flow.Enable.Name, flow.ChangeSettingsInput{Instance: "record", Revision: revision, RequestedBy: "test"})
	r.save(entityName, r.client.GetWorkflow(r.t.Context(), entity, ""))
}

// changes records every change of settings, applied and refused, and the entity that
// lived through them.
func (r *recorder) changes() {
	entity := "record:settings"
	send := func(run func(ctx context.Context) error) { require.NoError(r.t, run(r.t.Context())) }
	propose := func(change settings.Change) int64 {
		revision, err := flow.ProposeChange.Send(r.t.Context(), r.client, entity, change)
		require.NoError(r.t, err)
		return revision
	}
	days := 7
	for name, w := range map[string]string{
		"v1-change-share": flow.ChangeShare.Name, "v1-change-credentials": flow.ChangeCredentials.Name,
		"v1-change-key": flow.ChangeKey.Name, "v1-change-signing-key": flow.ChangeSigningKey.Name,
		"v3-change-services": flow.ChangeServices.Name,
	} {
		for _, refuse := range []bool{true, false} {
			days++
			r.refuse = refuse
			outcome := name
			if refuse {
				outcome += "-refused"
			}
			revision := propose(settings.Change{ProofDays: &days, By: "test"})
			r.one(outcome, w, flow.ChangeSettingsInput{Instance: "record", Revision: revision, RequestedBy: "test", Copy: w == flow.ChangeShare.Name})
		}
	}
	head := backup.LedgerHead{Sequence: 1, SHA256: strings.Repeat("a", 64)}
	send(func(ctx context.Context) error {
		_, err := flow.AdvanceLedger.Send(ctx, r.client, entity, flow.LedgerAdvance{Share: "s", To: head})
		return err
	})
	fingerprint := validSettings().Recipients[0].Fingerprint
	send(func(ctx context.Context) error {
		_, err := flow.ChallengeKeys.Send(ctx, r.client, entity, flow.KeyChallenges{Digests: map[string]string{fingerprint: "d"}})
		return err
	})
	send(func(ctx context.Context) error {
		_, err := flow.ProveKey.Send(ctx, r.client, entity, flow.KeyProof{Digest: "d"})
		return err
	})
	run := r.client.GetWorkflow(r.t.Context(), entity, "")
	require.NotEmpty(r.t, run.GetRunID())
	send(func(ctx context.Context) error {
		_, err := flow.Reseal.Send(ctx, r.client, entity, flow.ResealInput{By: "test"})
		return err
	})
	r.save("v2-settings-resealed", run)
}

func (r *recorder) save(name string, run client.WorkflowRun) {
	file := filepath.Join(histories, name+".json")
	if _, err := os.Stat(file); err == nil {
		r.t.Logf("%s is there already and stays", file)
		return
	}
	var h historypb.History
	events := r.client.GetWorkflowHistory(r.t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(r.t, err)
		h.Events = append(h.Events, event)
	}
	data, err := protojson.MarshalOptions{Indent: " "}.Marshal(&h)
	require.NoError(r.t, err)
	require.NoError(r.t, os.MkdirAll(histories, 0o755))
	host, err := os.Hostname()
	require.NoError(r.t, err)
	text := strings.ReplaceAll(string(data), host, "worker-1")
	require.NoError(r.t, os.WriteFile(file, []byte(text), 0o644))
}
