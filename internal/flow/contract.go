package flow

import (
	"reflect"
	"slices"

	"infrabackup/internal/backup"
)

// Member is a handle of the contract.
type Member struct {
	Kind Kind
	Name string
	// Of are the names of the workflows that answer a query or an update, or take a
	// signal; nil for all of them.
	Of      []string
	In, Out reflect.Type
}

// Contract lists every handle of this package.
func Contract() []Member {
	settings := []string{Settings.Name}
	all := []Member{
		Backup.member(), Settings.member(), Enable.member(), ChangeShare.member(), ChangeCredentials.member(), ChangeKey.member(),
		ChangeSigningKey.member(), ChangeServices.member(), AdoptSettings.member(), Rewrap.member(), Reencrypt.member(), ChallengeBackups.member(), List.member(), Verify.member(),
		VerifyAll.member(),
		Delete.member(), Diagnose.member(), Upkeep.member(), Prune.member(), PlanRestore.member(), Restore.member(), KeyFile.member(), Restores.member(), Drills.member(), Diff.member(),

		CheckShare.member(), PrepareKey.member(), UploadPart.member(), SealBackup.member(), PublishBackup.member(),
		ReleaseSpool.member(), DiscardBackup.member(), ProbeShare.member(), CopyBackups.member(), SettleChange.member(), RestoreActive.member(),
		ListBackups.member(), VerifyBackup.member(), AuditShare.member(), ReplaceKeys.member(), SwapBackup.member(), MakeChallenges.member(),
		DeleteBackup.member(), DiagnoseHost.member(), PlanUpkeep.member(), StartScheduled.member(),
		MakeRestorePlan.member(), OpenRestore.member(), CompareRestore.member(), RestoreBatch.member(), CloseRestore.member(), ReadKeyFile.member(), ReadRestores.member(), ReadDrills.member(), CompareBackups.member(),

		BackupProgress.member(Backup.Name), RestoreProgress.member(Restore.Name), GetSettings.member(settings...), SummarySettings.member(settings...),
		SettingsHistory.member(settings...), GetLedger.member(settings...), GetState.member(settings...), GetStanding.member(settings...),
		GetUpkeep.member(settings...),

		ProposeSettings.member(settings...), ProposeChange.member(settings...), ApplySettings.member(settings...),
		DropSettings.member(settings...), AdvanceLedger.member(settings...), ChallengeKeys.member(settings...),
		ProveKey.member(settings...), Reseal.member(settings...), RestoreSettings.member(settings...), SetSchedule.member(settings...), ClaimSlot.member(settings...), NoteVerdict.member(settings...),
		AcknowledgeAlert.member(settings...),

		Begin.member(),
	}
	for _, service := range backup.Services() {
		all = append(all, Collect(service).member())
	}
	return all
}

// isWorkflow reports whether the contract has a workflow of that name.
func isWorkflow(name string) bool {
	return slices.ContainsFunc(Contract(), func(m Member) bool { return m.Kind == KindWorkflow && m.Name == name })
}

func member[In, Out any](kind Kind, name string, of ...string) Member {
	return Member{Kind: kind, Name: name, Of: of, In: reflect.TypeFor[In](), Out: reflect.TypeFor[Out]()}
}

func (a Activity[In, Out]) member() Member { return member[In, Out](KindActivity, a.Name) }

func (w Workflow[In, Out]) member() Member { return member[In, Out](KindWorkflow, w.Name) }

func (a Alarm[Out]) member() Member { return member[struct{}, Out](KindWorkflow, a.Name) }

func (q Query[In, Out]) member(of ...string) Member { return member[In, Out](KindQuery, q.Name, of...) }

func (u Update[In, Out]) member(of ...string) Member {
	return member[In, Out](KindUpdate, u.Name, of...)
}

func (s Signal[In]) member() Member { return member[In, struct{}](KindSignal, s.Name) }
