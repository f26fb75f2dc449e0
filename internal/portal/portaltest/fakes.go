package portaltest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/portal"
	"infrabackup/internal/schedule"
	"infrabackup/internal/secret"
)

// Board is a board with a snapshot that tests set.
type Board struct {
	mu   sync.Mutex
	now  *board.Snapshot
	subs []chan *board.Snapshot
}

// Set makes s the newest snapshot.
func (b *Board) Set(s *board.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = s
	for _, sub := range b.subs {
		select {
		case sub <- s:
		default:
		}
	}
}

// Snapshot implements [portal.Board].
func (b *Board) Snapshot() *board.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// Subscribe implements [portal.Board].
func (b *Board) Subscribe(context.Context) <-chan *board.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	sub := make(chan *board.Snapshot, 16)
	b.subs = append(b.subs, sub)
	return sub
}

// Looked implements [portal.Board].
func (b *Board) Looked() {}

// Control records what it was asked for.
type Control struct {
	mu           sync.Mutex
	calls        []string
	wanted       control.Wanted
	over         schedule.Setting
	acknowledged flow.AlertAcknowledgement
	// Fail, when set, is what everything fails with.
	Fail error
	// Operations are what [Control.Operation] knows.
	Operations map[string]operation.Operation
	// Change is the ID of the change that is begun next; op-change when empty.
	Change string
	// Asked counts questions about operations.
	Asked atomic.Int64
	// Would is what a setting would remove; nil when no worker can tell.
	Would *operation.PruneResult
	// Looked counts looks at that.
	Looked atomic.Int64
	// Given are challenges to hand out.
	Given []control.Challenge
	// Done is called after each call, with the control not locked.
	Done func(call string)
}

// Calls returns what was asked for so far.
func (c *Control) Calls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Wanted returns the last change that was begun.
func (c *Control) Wanted() control.Wanted {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted
}

func (c *Control) note(ctx context.Context, format string, args ...any) error {
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("a change without an end")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	call := fmt.Sprintf(format, args...)
	c.mu.Lock()
	c.calls = append(c.calls, call)
	done, fail := c.Done, c.Fail
	c.mu.Unlock()
	if done != nil {
		done(call)
	}
	return fail
}

// BeginBackup implements [portal.Control].
func (c *Control) BeginBackup(ctx context.Context, by string) (control.Begun, error) {
	return control.Begun{ID: "op-backup"}, c.note(ctx, "backup %s", by)
}

// BeginChange implements [portal.Control].
func (c *Control) BeginChange(ctx context.Context, wanted control.Wanted) (control.Begun, error) {
	c.mu.Lock()
	c.wanted = wanted
	id := cmp.Or(c.Change, "op-change")
	c.mu.Unlock()
	return control.Begun{ID: id}, c.note(ctx, "change %s", wanted.RequestedBy)
}

// BeginPrune implements [portal.Control].
func (c *Control) BeginPrune(ctx context.Context, dryRun, acrossHole bool, by string) (control.Begun, error) {
	return control.Begun{ID: "op-prune"}, c.note(ctx, "prune %t %t %s", dryRun, acrossHole, by)
}

// BeginVerify implements [portal.Control].
func (c *Control) BeginVerify(ctx context.Context, id, by string) (control.Begun, error) {
	return control.Begun{ID: "op-verify"}, c.note(ctx, "verify %s %s", id, by)
}

// Operation implements [portal.Control].
func (c *Control) Operation(_ context.Context, id string) (operation.Operation, error) {
	c.Asked.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if o, ok := c.Operations[id]; ok {
		return o, nil
	}
	return operation.Operation{}, fault.Newf(fault.BackupNotFound, "operation %.60q is not known", id)
}

// Cancel implements [portal.Control].
func (c *Control) Cancel(ctx context.Context) error { return c.note(ctx, "cancel") }

// Challenges implements [portal.Control].
func (c *Control) Challenges(ctx context.Context, by string) ([]control.Challenge, error) {
	return c.Given, c.note(ctx, "challenges %s", by)
}

// Prove implements [portal.Control].
func (c *Control) Prove(ctx context.Context, answer secret.String, by string) (flow.KeyState, error) {
	return flow.KeyState{}, c.note(ctx, "prove %s %s", answer, by)
}

// SetSchedule implements [portal.Control].
func (c *Control) SetSchedule(ctx context.Context, s, over schedule.Setting, by string) error {
	c.mu.Lock()
	c.over = over
	c.mu.Unlock()
	return c.note(ctx, "schedule %t %d %d %d %s", s.Enabled, s.FrequencyHours, s.RetentionDays, s.KeepVerified, by)
}

// Acknowledged returns the last acknowledgement.
func (c *Control) Acknowledged() flow.AlertAcknowledgement {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acknowledged
}

// Over returns the setting that the last schedule was set over.
func (c *Control) Over() schedule.Setting {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// PruneBy implements [portal.Control]. It is no change, so it is not among the calls.
func (c *Control) PruneBy(ctx context.Context, _ schedule.Setting, _ string) (operation.PruneResult, error) {
	c.Looked.Add(1)
	if _, bounded := ctx.Deadline(); !bounded {
		return operation.PruneResult{}, errors.New("a look without an end")
	}
	if c.Would == nil {
		return operation.PruneResult{}, fault.Newf(fault.NoWorker, "no worker answers")
	}
	return *c.Would, nil
}

// Acknowledge implements [portal.Control].
func (c *Control) Acknowledge(ctx context.Context, one flow.AlertAcknowledgement) error {
	c.mu.Lock()
	c.acknowledged = one
	c.mu.Unlock()
	return c.note(ctx, "acknowledge %s %s %s", one.Code, one.Object, one.By)
}

// Session is a session with a role: reader, operator or owner.
type Session struct {
	Person  string
	Is      string
	Old     bool // the login is not fresh
	Expires time.Time

	ended atomic.Bool
}

// End ends the session.
func (s *Session) End() { s.ended.Store(true) }

var allowed = map[string][]string{
	"reader": {portal.ActionRead},
	"operator": {portal.ActionRead, portal.ActionBackup, portal.ActionVerify, portal.ActionCancel, portal.ActionPruneDryRun, portal.ActionProve, portal.ActionAcknowledge,
		portal.ActionPlanRestore, portal.ActionCancelRestore, portal.ActionCompare},
	"owner": {portal.ActionRead, portal.ActionBackup, portal.ActionVerify, portal.ActionCancel, portal.ActionPruneDryRun, portal.ActionProve, portal.ActionAcknowledge,
		portal.ActionPrune, portal.ActionWrite, portal.ActionPlanRestore, portal.ActionCancelRestore, portal.ActionApplyRestore, portal.ActionCompare},
}

// Name implements [portal.Session].
func (s *Session) Name() string { return s.Person }

// Subject implements [portal.Session].
func (s *Session) Subject() string { return "https://login.example.com|" + s.Person }

// Role implements [portal.Session].
func (s *Session) Role() string { return s.Is }

// May implements [portal.Session].
func (s *Session) May(action string) error {
	if slices.Contains(allowed[s.Is], action) {
		return nil
	}
	return errors.New("role " + s.Is + " does not allow " + action)
}

// Fresh implements [portal.Session].
func (s *Session) Fresh() bool { return !s.Old }

// ExpiresAt implements [portal.Session].
func (s *Session) ExpiresAt() time.Time {
	if s.ended.Load() {
		return time.Time{}
	}
	return s.Expires
}
