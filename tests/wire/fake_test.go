package wire_test

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/restore"
	"infrabackup/internal/schedule"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// fakeBoard keeps a snapshot.
type fakeBoard struct {
	mu       sync.Mutex
	snapshot *board.Snapshot
}

func (b *fakeBoard) Snapshot() *board.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snapshot
}

func (b *fakeBoard) Apply(change func(*board.Snapshot)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := *b.snapshot
	next.Number++
	change(&next)
	b.snapshot = &next
}

func (b *fakeBoard) Looked() {}

// fakeControl is an instance whose operations take a number of questions to end.
type fakeControl struct {
	acknowledged flow.AlertAcknowledgement // the last one
	board        *fakeBoard
	now          func() time.Time

	mu       sync.Mutex
	polls    int   // how often an operation is found running
	refuse   error // of the next operation that is to begin
	away     error // of every question
	fails    error // of operations when they end
	status   backup.Status
	operated map[string]*fakeOperation
	asked    int
	count    int
	wanted   []control.Wanted
	dryRun   []bool
	plan     schedule.Setting // that is set
	verified []backup.ID

	backupKey string // the public half of every backup's key
	keyAge    []byte
	restored  []flow.RestoreInput
	restoring *flow.RestoreAt // nil when none runs
	planned   []flow.RestorePlanInput
	kept      map[string]*restore.Plan // beside the backups
	untrusted bool                     // there is no list of keys of drills
	compared  []diffs.Input
	found     map[string]diffs.Output // what comparisons have found
}

type fakeOperation struct {
	left int
	done operation.Operation
	end  func(*board.Snapshot)
}

func newFakeControl(b *fakeBoard, now func() time.Time) *fakeControl {
	return &fakeControl{board: b, now: now, polls: 1, status: backup.Succeeded, plan: schedule.Default(), operated: map[string]*fakeOperation{}, kept: map[string]*restore.Plan{}, found: map[string]diffs.Output{}}
}

func (c *fakeControl) id() string {
	c.count++
	return fmt.Sprintf("0b1f4c2e-5a59-4b0e-9a43-%012d", c.count)
}

// begin takes up an operation.
func (c *fakeControl) begin(kind operation.Kind, make func(id string) fakeOperation) (control.Begun, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.refuse; err != nil {
		c.refuse = nil
		return control.Begun{}, err
	}
	id := c.id()
	o := make(id)
	o.left = c.polls
	o.done.ID, o.done.Kind, o.done.StartedAt, o.done.EndedAt = id, kind, c.now(), c.now().Add(395*time.Second+1234567*100)
	if c.fails != nil {
		o.done.Fault = fault.As(c.fails)
		o.done.Settings, o.done.Prune = nil, nil
	}
	c.operated[id] = &o
	return control.Begun{ID: id}, nil
}

func (c *fakeControl) BeginBackup(_ context.Context, by string) (control.Begun, error) {
	if s := c.board.Snapshot(); s.Running != nil {
		return control.Begun{}, fault.Newf(fault.BackupRunning, "a backup of instance %s runs already", s.Instance.Name)
	}
	return c.begin(operation.Backup, func(id string) fakeOperation {
		at := c.now()
		o := backup.Overview{BackupID: backup.ID(id), Status: c.status, StartedAt: at, FinishedAt: at.Add(395*time.Second + 1234567*100), RequestedBy: by}
		o.Services = []backup.ServiceResult{{Service: backup.AD, Status: c.status}, {Service: backup.ARM, Status: backup.Succeeded}}
		switch c.status {
		case backup.Succeeded, backup.PartialSucceeded:
			o.Path = "backups/20261128T103000Z_" + id
		case backup.Failed:
			o.Code, o.Message = string(fault.ShareUnreachable), "the share was lost"
		}
		if c.fails != nil {
			o.Status, o.Code, o.Message = backup.Failed, string(fault.CodeOf(c.fails)), fault.As(c.fails).Message()
		}
		return fakeOperation{done: operation.Operation{Backup: &o}, end: func(s *board.Snapshot) {
			s.Running = nil
			all := []board.Backup{}
			for _, b := range s.Backups {
				if b.BackupID != o.BackupID {
					all = append(all, b)
				}
			}
			s.Backups = append([]board.Backup{{Overview: o}}, all...)
		}}
	})
}

func (c *fakeControl) BeginChange(_ context.Context, wanted control.Wanted) (control.Begun, error) {
	c.wanted = append(c.wanted, wanted)
	var next *schedule.Setting
	if wanted.SchedulePatch != (schedule.Patch{}) {
		merged := wanted.SchedulePatch.Over(c.plan)
		next, c.plan = &merged, merged
	}
	if alone := (control.Wanted{SchedulePatch: wanted.SchedulePatch, RequestedBy: wanted.RequestedBy}); c.refuse == nil && reflect.DeepEqual(wanted, alone) {
		return control.Begun{Schedule: next}, nil // a schedule alone is set at once
	}
	begun, err := c.begin(operation.Change, func(string) fakeOperation {
		summary := c.board.Snapshot().Settings
		summary.Revision++
		summary.ChangedAt, summary.ChangedBy = c.now(), wanted.RequestedBy
		if wanted.Share != nil {
			summary.Share.Path = wanted.Share.Path
			summary.Share.Transport = cmp.Or(wanted.Share.Transport, summary.Share.Transport, share.Encrypted)
		}
		if wanted.Username != "" {
			summary.Username = wanted.Username
		}
		if len(wanted.Recipients) > 0 {
			summary.Recipients = nil
			for _, r := range wanted.Recipients {
				summary.Recipients = append(summary.Recipients, settings.RecipientSummary{
					Recipient: backup.Recipient{Kind: r.Kind, Fingerprint: r.Fingerprint}, Expires: r.Expires, Thumbprint: r.Thumbprint, Since: c.now()})
			}
		}
		return fakeOperation{done: operation.Operation{Settings: &summary}}
	})
	begun.Schedule = next
	return begun, err
}

func (c *fakeControl) BeginPrune(_ context.Context, dryRun, _ bool, _ string) (control.Begun, error) {
	c.dryRun = append(c.dryRun, dryRun)
	return c.begin(operation.Prune, func(string) fakeOperation {
		result := &operation.PruneResult{Decisions: []flow.PruneDecision{
			{BackupID: "64e8625a-8dc0-49df-a195-932901b4be81", Path: `backups\Kept`, Reason: "it is the newest"},
			{BackupID: "64e8625a-8dc0-49df-a195-932901b4be82", Path: `backups\Old`, Remove: true, Reason: "it is older than 7 days"},
		}, Removed: []backup.ID{}}
		if !dryRun {
			result.Removed = []backup.ID{"64e8625a-8dc0-49df-a195-932901b4be82"}
		}
		return fakeOperation{done: operation.Operation{Prune: result}}
	})
}

func (c *fakeControl) BeginVerify(_ context.Context, id backup.ID, _ string) (control.Begun, error) {
	c.verified = append(c.verified, id)
	begun, err := c.begin(operation.Verify, func(string) fakeOperation {
		return fakeOperation{done: operation.Operation{Verdict: &backup.Verdict{BackupID: id, Findings: []backup.Finding{}}}}
	})
	if err != nil {
		return begun, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.operated["verify:"+string(id)] = c.operated[begun.ID]
	return control.Begun{ID: "verify:" + string(id)}, nil
}

func (c *fakeControl) Operation(_ context.Context, id string) (operation.Operation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.away != nil {
		return operation.Operation{}, c.away
	}
	o := c.operated[id]
	if o == nil {
		return operation.Operation{}, fault.Newf(fault.ItemNotFound, "there is no operation %s", id)
	}
	if o.left > 0 {
		o.left--
		running := o.done
		running.Running, running.Fault, running.Settings, running.Prune, running.Backup, running.Verdict, running.Restore, running.Plan, running.EndedAt = true, nil, nil, nil, nil, nil, nil, nil, time.Time{}
		return running, nil
	}
	return o.done, nil
}

// settle ends every operation, as the board learns of it.
func (c *fakeControl) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.operated {
		o.left = 0
		if o.end != nil {
			c.board.Apply(o.end)
			o.end = nil
		}
	}
}

func (c *fakeControl) Cancel(context.Context) error {
	if c.board.Snapshot().Running == nil {
		return fault.Newf(fault.BackupNotFound, "no backup runs")
	}
	return nil
}

func (c *fakeControl) Challenges(context.Context, string) ([]control.Challenge, error) {
	return []control.Challenge{{Fingerprint: "SHA256:x", Kind: "x25519", Text: "-----BEGIN AGE ENCRYPTED FILE-----"}}, nil
}

func (c *fakeControl) Prove(_ context.Context, answer secret.String, by string) (flow.KeyState, error) {
	if answer.Reveal() != "right" {
		return flow.KeyState{}, fault.Newf(fault.ProofRefused, "the answer is not that to an open challenge")
	}
	return flow.KeyState{Fingerprint: "SHA256:x", ProvenAt: c.now(), ProvenBy: by}, nil
}

func (c *fakeControl) Acknowledge(_ context.Context, one flow.AlertAcknowledgement) error {
	c.acknowledged = one
	c.board.Apply(func(s *board.Snapshot) {
		s.Alerts = append([]alert.Alert{}, s.Alerts...)
		for i := range s.Alerts {
			if a := &s.Alerts[i]; string(a.Code) == one.Code && a.Object == one.Object && (one.Replace || a.AcknowledgedAt.IsZero()) {
				a.AcknowledgedBy, a.AcknowledgedAt, a.Note = one.By, c.now(), one.Note
			}
		}
	})
	return nil
}
