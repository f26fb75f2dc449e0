package recovery

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/privsep"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
	"infrabackup/internal/seal"
)

// planner is an instance whose worker has plans.
type planner struct {
	instance
	planned []flow.RestorePlanInput
	asked   []restores.Input
	ended   map[string]operation.Operation // by run
	plans   map[string]*restore.Plan
	public  string // half of the key that opens them
	lookups int
}

func (p *planner) BeginRestorePlan(_ context.Context, in flow.RestorePlanInput) (control.Begun, error) {
	if p.err != nil {
		return control.Begun{}, p.err
	}
	p.planned = append(p.planned, in)
	run := fmt.Sprintf("run-%d", len(p.planned))
	p.ended[run] = operation.Operation{ID: run, Kind: operation.Plan, Running: true}
	return control.Begun{ID: run}, nil
}

func (p *planner) Operation(_ context.Context, id string) (operation.Operation, error) {
	p.lookups++
	return p.ended[id], nil
}

func (p *planner) Restores(_ context.Context, in restores.Input) (restores.Output, error) {
	p.asked = append(p.asked, in)
	in.Instance = "local"
	if err := in.Check("local"); err != nil {
		return restores.Output{}, err
	}
	if in.PlanID == "" {
		var out restores.Output
		for id := range p.plans {
			out.List = append(out.List, restore.Listed{PlanID: id, State: "for another key"})
		}
		return out, nil
	}
	key, err := seal.ParseIdentities([]byte(in.Keys[in.PlanID].Reveal()))
	if err != nil || key[0].Public() != p.public {
		return restores.Output{}, fault.Newf(fault.KeyDoesNotFit, "the key does not fit")
	}
	page := planpage.Of(p.plans[in.PlanID], "planned", in.Section, in.From, in.Count)
	return restores.Output{Page: &page}, nil
}

// desk is Plans with an instance, an operator's key, a clock and an alarm.
type desk struct {
	*Plans
	t     *testing.T
	of    *planner
	key   privsep.OperatorKey
	now   time.Time
	alarm func()
}

func planID(n int) string { return fmt.Sprintf("%064x", n) }

func newDesk(t *testing.T) *desk {
	t.Helper()
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	public, keyAge, err := seal.MakeWrappedKey([]string{recipient.Text})
	require.NoError(t, err)
	d := &desk{t: t, key: privsep.OperatorKey{File: []byte(text.Reveal())}, now: time.Unix(1_800_000_000, 0),
		of: &planner{instance: instance{file: flow.KeyFileOutput{Public: public, KeyAge: keyAge}}, ended: map[string]operation.Operation{}, plans: map[string]*restore.Plan{}, public: public}}
	after := func(in time.Duration, do func()) func() bool {
		require.LessOrEqual(t, in, HeldFor)
		d.alarm = do
		return func() bool { d.alarm = nil; return true }
	}
	d.Plans = NewPlans(d.of, keys{}, func() time.Time { return d.now }, after)
	return d
}

func request() Request { return Request{Backup: id, Target: "site-b"} }

// plan lets a caller plan, and returns the plan's ID.
func (d *desk) plan(by string) string {
	d.t.Helper()
	begun, err := d.Plan(d.t.Context(), request(), d.key, by)
	require.NoError(d.t, err)
	return d.end(begun.ID)
}

// end ends a run with a plan.
func (d *desk) end(run string) string {
	made := planID(len(d.of.planned))
	in := d.of.planned[len(d.of.planned)-1]
	p := &restore.Plan{Header: restore.Header{PlanID: made, Kind: restore.OfBackup, Origin: restore.Origin{BackupID: in.BackupID}, Target: restore.Fingerprint{Name: "site-b", DeploymentID: "the-id"}}}
	if in.Undoes != "" {
		p.Header.Kind, p.Header.Undoes = restore.OfUndo, in.Undoes
	}
	p.Steps = []restore.Step{
		{Key: restore.Key{Service: backup.CA, Kind: "file", ID: "a"}, Action: restore.Create, Reversible: restore.Reversibility{Grade: restore.Reversible}},
		{N: 1, Key: restore.Key{Service: backup.CA, Kind: "file", ID: "b"}, Action: restore.Update, Reversible: restore.Reversibility{Grade: restore.Irreversible, Why: "it is gone"}},
	}
	d.of.plans[made] = p
	d.of.ended[run] = operation.Operation{ID: run, Kind: operation.Plan, Plan: &flow.RestorePlan{PlanID: made}}
	return made
}

// TestPlanReadApplyUndo: the worker gets the key of the one backup each time, and the operator's
// key goes no further.
func TestPlanReadApplyUndo(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	made := d.plan("anna")
	in := d.of.planned[0]
	require.Equal(t, []any{id, "site-b", "anna"}, []any{in.BackupID, in.Target, in.RequestedBy})
	require.NotContains(t, string(d.key.File), in.Key.Reveal())
	handed, err := seal.ParseIdentities([]byte(in.Key.Reveal()))
	require.NoError(t, err)
	require.Equal(t, d.of.public, handed[0].Public())

	page, err := d.Page(ctx, made, planpage.Steps, 0, 10, "anna")
	require.NoError(t, err)
	require.Len(t, page.Steps, 2)
	_, err = d.Page(ctx, made, planpage.Steps, 0, 10, "anna")
	require.NoError(t, err)
	require.Equal(t, 1, d.of.lookups, "the run is asked once which plan it made")

	for name, c := range map[string]Consent{
		"to nothing":           {},
		"to another target":    {Target: "site-c", Irreversible: []string{"all"}},
		"without the one step": {Target: "site-b"},
		"to another step":      {Target: "site-b", Irreversible: []string{"CA file a"}},
	} {
		_, err = d.Apply(ctx, made, c, "anna")
		require.ErrorIs(t, err, fault.PlanConsent, name)
	}
	d.of.plans[made].Header.Production = true
	for _, production := range []string{"", "site-b"} {
		_, err = d.Apply(ctx, made, Consent{Target: "site-b", Irreversible: []string{"all"}, Production: production}, "anna")
		require.ErrorIs(t, err, fault.TargetProduction)
	}
	require.Empty(t, d.of.began)
	_, err = d.Apply(ctx, made, Consent{Target: "site-b", Irreversible: []string{"CA file b"}, Production: "the-id"}, "anna")
	require.NoError(t, err)
	applied := d.of.began[0]
	require.Equal(t, []any{made, id, "site-b", "anna", "the-id", in.Key.Reveal()},
		[]any{applied.PlanID, applied.BackupID, applied.Target, applied.RequestedBy, applied.Consent.Production, applied.Key.Reveal()})

	begun, err := d.Undo(ctx, made, "anna")
	require.NoError(t, err)
	require.Equal(t, []any{made, in.Recipients}, []any{d.of.planned[1].Undoes, d.of.planned[1].Recipients})
	undo := d.end(begun.ID)
	_, err = d.Undo(ctx, undo, "anna")
	require.ErrorIs(t, err, fault.Usage, "an undo is not undone")
	_, err = d.Apply(ctx, undo, Consent{Target: "site-b", Irreversible: []string{"all"}}, "anna")
	require.NoError(t, err)

	all, _, err := d.List(ctx, "anna")
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Len(t, d.of.asked[len(d.of.asked)-1].Keys, 2)
	all, _, err = d.List(ctx, "bert")
	require.NoError(t, err)
	require.Empty(t, d.of.asked[len(d.of.asked)-1].Keys, "a reader has no key")
	require.Equal(t, []any{id, "site-b"}, []any{all[0].BackupID, all[0].Target}, "and sees what it is of")
}

// TestKeysAreTheirCallers: another caller's key opens nothing, and each can give their own.
func TestKeysAreTheirCallers(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	made := d.plan("anna")
	_, err := d.Page(ctx, made, planpage.Steps, 0, 10, "bert")
	require.ErrorIs(t, err, fault.KeyNotHeld)
	_, err = d.Apply(ctx, made, Consent{Target: "site-b", Irreversible: []string{"all"}}, "bert")
	require.ErrorIs(t, err, fault.KeyNotHeld)
	_, err = d.Undo(ctx, made, "bert")
	require.ErrorIs(t, err, fault.KeyNotHeld)
	require.Empty(t, d.of.began)

	_, err = d.Open(ctx, planID(7), Given{Key: d.key}, "bert")
	require.ErrorIs(t, err, fault.Usage, "nothing says which backup")
	wrong, _, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	_, err = d.Open(ctx, made, Given{Backup: id, Key: privsep.OperatorKey{File: []byte(wrong.Reveal())}}, "bert")
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
	require.Zero(t, d.Held(made, "bert"))
	_, err = d.Open(ctx, made, Given{Backup: id[:35] + "0", Key: d.key}, "bert")
	require.ErrorIs(t, err, fault.KeyDoesNotFit, "the plan is of another backup")
	require.Zero(t, d.Held(made, "bert"))
	page, err := d.Open(ctx, made, Given{Backup: id, Key: d.key}, "bert")
	require.NoError(t, err)
	require.Len(t, page.Steps, 2)
	require.Equal(t, d.now.Add(HeldFor), d.Held(made, "bert"))
	_, err = d.Open(ctx, made, Given{Key: d.key}, "carl")
	require.NoError(t, err, "by now it is known which backup")
	d.Forget("bert")
	_, err = d.Page(ctx, made, planpage.Steps, 0, 10, "bert")
	require.ErrorIs(t, err, fault.KeyNotHeld)
	_, err = d.Page(ctx, made, planpage.Steps, 0, 10, "carl")
	require.NoError(t, err)
}

// TestKeysEnd after an hour, also when nobody asks; with a plan that was not made; and when there
// are too many. What held them is overwritten.
func TestKeysEnd(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	made := d.plan("anna")
	bytes := d.held.keys[0].key
	require.NotEmpty(t, strings.Trim(string(bytes), "\x00"))
	d.now = d.now.Add(HeldFor - time.Second)
	_, err := d.Page(ctx, made, planpage.Steps, 0, 10, "anna")
	require.NoError(t, err)
	d.now = d.now.Add(time.Second)
	d.alarm()
	require.Empty(t, d.held.keys)
	require.Empty(t, strings.Trim(string(bytes), "\x00"), "it was overwritten")
	require.Nil(t, d.alarm, "nothing is left to end")
	_, err = d.Page(ctx, made, planpage.Steps, 0, 10, "anna")
	require.ErrorIs(t, err, fault.KeyNotHeld)

	begun, err := d.Plan(ctx, request(), d.key, "anna")
	require.NoError(t, err)
	bytes = d.held.keys[0].key
	d.Made(operation.Operation{ID: begun.ID, Kind: operation.Plan, Fault: fault.Newf(fault.TargetUnreachable, "away")})
	require.Empty(t, d.held.keys)
	require.Empty(t, strings.Trim(string(bytes), "\x00"))

	first := d.plan("bert")
	_, err = d.Page(ctx, first, planpage.Steps, 0, 10, "bert")
	require.NoError(t, err)
	for range maxHeldEach {
		d.plan("anna")
	}
	require.Len(t, d.held.keys, maxHeldEach+1)
	d.plan("anna")
	require.Len(t, d.held.keys, maxHeldEach+1, "the oldest of the same caller went")
	require.NotZero(t, d.Held(first, "bert"))
	for i := range 2 * maxHeld {
		d.plan(fmt.Sprint("caller ", i))
	}
	require.Len(t, d.held.keys, maxHeld)
	require.Zero(t, d.Held(first, "bert"))
	d.Close()
	require.Empty(t, d.held.keys)
	require.Nil(t, d.alarm)
}

// TestNothingIsHeldOfWhatDidNotBegin.
func TestNothingIsHeldOfWhatDidNotBegin(t *testing.T) {
	d := newDesk(t)
	_, err := d.Plan(t.Context(), Request{Backup: id, Target: "../x"}, d.key, "anna")
	require.ErrorIs(t, err, fault.Usage)
	_, err = d.Plan(t.Context(), Request{Backup: id, Target: "site-b", Selection: restore.Selection{Patterns: []string{"["}}}, d.key, "anna")
	require.ErrorIs(t, err, fault.Usage)
	d.of.err = fault.Newf(fault.RestoreRunning, "a plan is being made")
	_, err = d.Plan(t.Context(), request(), d.key, "anna")
	require.ErrorIs(t, err, fault.RestoreRunning)
	require.Empty(t, d.held.keys)
	require.Empty(t, d.of.planned)
}
