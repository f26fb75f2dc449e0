package activities

import (
	"context"
	"crypto/rand"

	"go.temporal.io/sdk/activity"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/retention"
	"infrabackup/internal/upkeep"
	"infrabackup/internal/upkeep/ring"
	"infrabackup/internal/upkeep/slot"
)

// upkeepState asks the entity what it remembers of what goes on by itself.
func (a *Activities) upkeepState(ctx context.Context) (flow.UpkeepState, error) {
	state, err := flow.GetUpkeep.Ask(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), struct{}{})
	return state, a.entityFault(ctx, "the schedule cannot be read", err)
}

// ring lets Temporal ring by the schedule as it is: by the slots that came with a change, and not
// at all for a change that is refused.
func (a *Activities) ring(ctx context.Context) error {
	state, err := a.upkeepState(ctx)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	if err := ring.Set(bounded, a.Client, a.Instance.Name, state.Schedule, a.Now()); err != nil {
		return fault.New(fault.TemporalUnreachable, "the settings are active, and Temporal's schedule that starts backups could not be set", err)
	}
	return nil
}

// PlanUpkeep says what is due: the slot of the schedule, by Temporal's clock, what is to be
// verified, and what has expired.
func (a *Activities) PlanUpkeep(ctx context.Context, in flow.PlanUpkeepInput) (flow.PlanUpkeepOutput, error) {
	state, err := a.upkeepState(ctx)
	if err != nil {
		return flow.PlanUpkeepOutput{}, err
	}
	out := flow.PlanUpkeepOutput{Enabled: state.Schedule.Enabled}
	if out.Slot, out.Due = state.Schedule.Due(in.Now); out.Due {
		if out.BackupID, err = backup.NewID(rand.Reader); err != nil {
			return out, err
		}
	}
	if in.SlotOnly {
		return out, nil
	}
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return out, err
	}
	head, err := a.ledgerHead(ctx, s)
	if err != nil {
		return out, err
	}
	signers, err := a.trusted(ctx, s)
	if err != nil {
		return out, err
	}
	known, err := repo.Ledger().Read(ctx, signers)
	if err != nil {
		return out, err
	}
	listing, err := repo.List(ctx, 0)
	if err != nil {
		return out, err
	}
	using, err := a.slots().InUse(ctx)
	if err != nil {
		return out, err
	}
	var held retention.Hold
	if err := known.CheckIntact(head); err != nil {
		held = retention.Hold{Code: upkeep.LedgerUnreliable, Reason: fault.As(err).Message()}
	} else if using != nil {
		held = retention.Hold{Code: retention.InUse, Reason: using.Message()}
	}
	setting := state.Schedule.Setting
	if in.Try != nil {
		setting = *in.Try
	}
	all := upkeep.Gather(listing.Backups, known, state.Verdicts)
	out.Verify = upkeep.ToVerify(all, in.Now)
	out.Prune = upkeep.Prune(all, upkeep.Policy(setting, in.AcrossHole), a.Now(), in.Now, held)
	out.Prune.Seen = flow.Seen{Revision: s.Revision, Ledger: head, Reasons: upkeep.Reasons(state)}
	return out, nil
}

// StartScheduled starts the backup of a slot, or says why there is none.
func (a *Activities) StartScheduled(ctx context.Context, in flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
	state, err := a.upkeepState(ctx)
	if err != nil {
		return flow.StartScheduledOutput{}, err
	}
	out, err := a.slots().Start(ctx, state.Schedule, in)
	return out, a.entityFault(ctx, "the slot cannot be claimed", err)
}

func (a *Activities) slots() slot.Starter {
	return slot.Starter{Client: a.Client, Instance: a.Instance.Name, Updating: a.Updating}
}

// noteVerdict lets the entity remember what came of a verification. When it cannot, the
// backup is verified again some time.
func (a *Activities) noteVerdict(ctx context.Context, note flow.VerdictNote) {
	bounded, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	if _, err := flow.NoteVerdict.Send(bounded, a.Client, flow.SettingsWorkflowID(a.Instance.Name), note); err != nil {
		activity.GetLogger(ctx).Warn("the verdict was not noted", "backup", note.BackupID, "error", err.Error())
	}
}
