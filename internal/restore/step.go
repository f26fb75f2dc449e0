package restore

import (
	"context"

	"infrabackup/internal/fault"
)

// step does one step whose state before is saved, or finds out that it was done.
func (r *Run) step(ctx context.Context, s Step, want Want, before State, write bool) (Outcome, error) {
	if need, ok := r.blocked(s); ok {
		return Outcome{Status: Blocked, Code: RefusedBlocked, Detail: "it needs " + need.Key.String()}, nil
	}
	live, err := r.read(ctx, s, want)
	if err != nil {
		return Outcome{}, err
	}
	o, err := r.judge(ctx, s, want, before, live, write)
	if err == nil && o.Learned == nil {
		o.Learned = live.Learned
	}
	return o, err
}

// judge compares what is live with what is wanted and what was there, and writes where that
// is due.
func (r *Run) judge(ctx context.Context, s Step, want Want, before, live State, write bool) (Outcome, error) {
	restorer := r.restorer(s.Service)
	verdict := restorer.Verdict(want, live, r.Map)
	begun := !verdict.Same && live.Digest != before.Digest && r.begun(want, before, live)
	switch {
	case s.Action == Skip:
		return Outcome{Status: Unneeded, After: live.Digest}, nil
	case verdict.Same && s.Action == Along:
		return Outcome{Status: Confirmed, After: live.Digest, Reversible: Reversibility{Grade: Reversible}}, nil
	case verdict.Same && live.Digest == before.Digest:
		return Outcome{Status: Unneeded, After: live.Digest}, nil // it came about by itself, or with another step
	case verdict.Same:
		return r.confirmed(s, want, before, live), nil // an earlier try did it
	case begun && !write:
		return r.partly(s, want, before, live, string(fault.RestoreConflict), "a part of it was written, and the restore was ended"), nil
	case live.Digest != before.Digest && !begun:
		return Outcome{Status: Refused, Code: string(fault.RestoreConflict), Detail: errInDoubt.Error(), After: live.Digest}, nil
	case !write:
		return Outcome{Status: Undone, After: live.Digest}, nil
	case verdict.Refused != nil:
		return Outcome{Status: Refused, Code: verdict.Refused.Code, Detail: verdict.Refused.Detail, After: live.Digest}, nil
	case !begun && !r.moves(s) && (before.Digest != s.Live || s.Action != Along && verdict.Action != s.Action):
		return Outcome{Status: Refused, Code: RefusedStale, Detail: "it is not as it was when the plan was made", After: live.Digest}, nil
	case s.Action == Along:
		return Outcome{Status: Failed, Code: RefusedMade, Detail: "it did not come along with " + r.Plan.Steps[s.Within].Key.String(), After: live.Digest}, nil
	}
	if refusal, err := sourceNames(restorer, r.scanner, want, r.Map); err != nil || refusal != nil {
		if err != nil {
			return Outcome{}, err
		}
		return Outcome{Status: Refused, Code: refusal.Code, Detail: refusal.Detail, After: live.Digest}, nil
	}
	if err := restorer.Write(ctx, want, verdict, live, r.Map); err != nil {
		o, err := r.refusedBy(err)
		if err != nil {
			return o, err
		}
		after, err := r.read(ctx, s, want)
		if err == nil && after.Digest != before.Digest && r.begun(want, before, after) {
			return r.partly(s, want, before, after, o.Code, o.Detail), nil
		}
		return o, err
	}
	return r.confirm(ctx, s, want, before)
}

// begun reports whether an earlier try of a write was ended in its middle.
func (r *Run) begun(want Want, before, live State) bool {
	resumer, ok := r.restorer(want.Service).(Resumer)
	return ok && resumer.Begun(want, before, live)
}

// partly is the outcome of a write of which a part came about, with what takes that back.
func (r *Run) partly(s Step, want Want, before, after State, code, detail string) Outcome {
	o := r.confirmed(s, want, before, after)
	o.Status, o.Code, o.Detail = Failed, code, detail
	return o
}

// refusedBy is the outcome of a write that the target refused for good. What may pass is an
// error, and the step is tried again.
func (r *Run) refusedBy(err error) (Outcome, error) {
	if f, ok := fault.Of(err); ok {
		switch f.Code {
		case fault.TargetRefused, fault.TargetAccessDenied, fault.RestoreConflict:
			return Outcome{Status: Refused, Code: string(f.Code), Detail: err.Error()}, nil
		}
	}
	return Outcome{}, err
}

// confirm reads again what was written.
func (r *Run) confirm(ctx context.Context, s Step, want Want, before State) (Outcome, error) {
	after, err := r.read(ctx, s, want)
	if err != nil {
		return Outcome{}, err
	}
	if verdict := r.restorer(s.Service).Verdict(want, after, r.Map); !verdict.Same {
		o := r.confirmed(s, want, before, after)
		o.Status, o.Code, o.Detail = Failed, RefusedMade, "the target holds something else of: "+fields(verdict.Fields)
		return o, nil
	}
	return r.confirmed(s, want, before, after), nil
}

// confirmed is the outcome of a write, with what takes it back.
func (r *Run) confirmed(s Step, want Want, before, after State) Outcome {
	o := Outcome{Status: Confirmed, After: after.Digest, Learned: after.Learned}
	if _, ok := r.restorer(s.Service).(Renamer); ok {
		o.Residual = r.scanner.Find(after.Document)
	}
	if before.Digest == after.Digest || s.Action == Along {
		o.Reversible = Reversibility{Grade: Reversible}
		return o
	}
	inverse, reversible := r.restorer(s.Service).Inverse(want, before, after)
	o.Reversible = reversible
	if reversible.Grade != Irreversible {
		o.Inverse = &inverse
	}
	return o
}

// blocked returns a need of a step that did not come about.
func (r *Run) blocked(s Step) (Step, bool) {
	for _, need := range behind(s) {
		if !r.statuses[need].Good() {
			return r.Plan.Steps[need], true
		}
	}
	return Step{}, false
}

// moves reports whether the restore itself may have changed the place of a step before its
// turn: another step brings it along, or made what it belongs to.
func (r *Run) moves(s Step) bool {
	if s.Within >= 0 && r.Plan.Steps[s.Within].Writes() {
		return true
	}
	if s.Phase == "" {
		return false
	}
	for _, need := range s.Needs {
		if other := r.Plan.Steps[need]; other.Service == s.Service && other.Kind == s.Kind && other.ID == s.ID && other.Writes() {
			return true
		}
	}
	return false
}

// fields are names for a message, at most ten.
func fields(names []string) string {
	const most = 10
	text := ""
	for i, n := range names {
		if i == most {
			return text + ", …"
		}
		if i > 0 {
			text += ", "
		}
		text += n
	}
	return text
}
