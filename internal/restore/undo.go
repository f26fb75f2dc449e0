package restore

import (
	"context"
	"time"

	"infrabackup/internal/fault"
)

// UndoPlan makes the plan that takes a restore back. Every batch of the restore has ended
// or was settled. Steps come in the reverse order; those that cannot be taken back are
// among the refusals, with what stays.
func UndoPlan(ctx context.Context, done *Plan, journal Journal, product string, now time.Time) (*Plan, error) {
	if done.Header.Kind != OfBackup {
		return nil, fault.New(fault.Usage, "an undo is not undone: make a plan of the backup again", nil)
	}
	undo := &Plan{Header: Header{Format: PlanFormat, Kind: OfUndo, CreatedAt: now.UTC().Truncate(time.Second), Expires: now.UTC().Truncate(time.Second).Add(DefaultLife), Product: product,
		Origin: done.Header.Origin, Undoes: done.Header.PlanID, Target: done.Header.Target, Production: done.Header.Production, Mapping: done.Header.Mapping, Site: done.Header.Site}}
	taken := map[int]int{} // step of the undo by step of the restore
	for _, b := range done.Batches() {
		outcomes, ended, err := journal.Outcome(ctx, b.Number)
		if err != nil {
			return nil, err
		}
		if !ended {
			return nil, fault.Newf(fault.RestoreRunning, "batch %d of the restore has not ended", b.Number)
		}
		for _, o := range outcomes {
			undo.takeBack(done.Steps[o.N], o, taken)
		}
	}
	if len(undo.Steps) == 0 && len(undo.Refusals) == 0 {
		return nil, fault.New(fault.ItemNotFound, "the restore changed nothing", nil)
	}
	// What needed something is taken back before it.
	for n, i := range taken {
		for _, need := range behind(done.Steps[n]) {
			// What came along goes with what brought it.
			for done.Steps[need].Action == Along && done.Steps[need].Within >= 0 {
				need = done.Steps[need].Within
			}
			if j, ok := taken[need]; ok && j != i {
				undo.Steps[j].Needs = append(undo.Steps[j].Needs, i)
			}
		}
	}
	undo.Refusals = append(undo.Refusals, order(undo.Steps, map[Key]bool{})...)
	undo.sortSteps()
	undo.sortRest()
	undo.count()
	return undo, undo.sign()
}

func (p *Plan) takeBack(s Step, o Outcome, taken map[int]int) {
	if o.Inverse == nil {
		if o.Reversible.Grade == Irreversible {
			p.Refusals = append(p.Refusals, Refusal{Key: s.Key, Code: string(Irreversible), Detail: o.Reversible.Why})
		}
		return
	}
	u := Step{Key: o.Inverse.Key, Name: s.Name, Stage: -s.Stage, Within: -1, Action: Update, Reason: ReasonWasOther, Live: o.After, Desired: o.Inverse.Digest(),
		Fields: o.Inverse.Fields, AddedBy: Selected, Reversible: Reversibility{Grade: Reversible}}
	if o.Inverse.Absent {
		u.Action, u.Reason = Remove, ReasonWasMade
	}
	taken[s.N] = len(p.Steps)
	p.Steps = append(p.Steps, u)
}
