package rp

import (
	"fmt"
	"net/http"
	"strings"

	"infrabackup/internal/alert"
	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/operations"
	"infrabackup/internal/restore"
	"infrabackup/internal/rp/address"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/rp/wire"
	"infrabackup/internal/schedule"
	"infrabackup/internal/secret"
)

// v1Object reads a body that has to be an object with some of the members.
func (x *exchange) v1Object(required bool, names ...string) (jsonbody.Object, error) {
	data, err := jsonbody.Read(x.w, x.r, jsonbody.MaxBytes)
	switch {
	case err != nil:
		return nil, err
	case data == nil && required:
		return nil, apierror.Content("", "is missing")
	case data == nil:
		return jsonbody.Object{}, nil
	}
	o, err := jsonbody.Parse(data)
	if err != nil {
		return nil, err
	}
	return o, o.Only("", names...)
}

func (x *exchange) v1SetSchedule() error {
	o, err := x.v1Object(true, "enabled", "frequencyHours", "retentionDays", "keepVerified")
	if err != nil {
		return err
	}
	var next schedule.Patch
	if next.Enabled, err = jsonbody.Bool(o, "enabled"); err != nil {
		return err
	}
	if next.FrequencyHours, err = jsonbody.Int(o, "frequencyHours", schedule.MinFrequencyHours, schedule.MaxFrequencyHours); err != nil {
		return err
	}
	if next.RetentionDays, err = jsonbody.Int(o, "retentionDays", schedule.MinRetentionDays, schedule.MaxRetentionDays); err != nil {
		return err
	}
	if next.KeepVerified, err = jsonbody.Int(o, "keepVerified", schedule.MinKeepVerified, schedule.MaxKeepVerified); err != nil {
		return err
	}
	if !x.snap.Enabled && !x.snap.AsOf.IsZero() {
		return x.refused(fault.Newf(fault.NotEnabled, "no backup location is set, so there is nothing to schedule"))
	}
	if !changes(next, x.snap) {
		if err := unread(x.snap); err != nil {
			return err
		}
		return x.answer(http.StatusOK, apierror.MediaType, scheduleBody(x.snap))
	}
	id, err := x.beginChange(control.Wanted{SchedulePatch: next, RequestedBy: x.by()})
	if err != nil {
		return err
	}
	if id == nothingDone {
		return x.answer(http.StatusOK, apierror.MediaType, scheduleBody(x.loc.Board.Snapshot()))
	}
	return x.v1Accepted(id)
}

func (x *exchange) v1Verify() error {
	if err := x.noBody(); err != nil {
		return err
	}
	b, err := x.named()
	if err != nil {
		return err
	}
	ctx, cancel := x.beginning()
	defer cancel()
	begun, err := x.loc.Control.BeginVerify(ctx, b.BackupID, x.by())
	if err != nil {
		return x.refused(err)
	}
	x.h.results.begin(x.loc, begun.ID, nil) // a backup can be verified again under the same id
	return x.v1Accepted(begun.ID)
}

func (x *exchange) v1Prune() error {
	o, err := x.v1Object(false, "dryRun", "acrossHole")
	if err != nil {
		return err
	}
	dryRun, err := jsonbody.Bool(o, "dryRun")
	if err != nil {
		return err
	}
	acrossHole, err := jsonbody.Bool(o, "acrossHole")
	if err != nil {
		return err
	}
	if !given(dryRun) {
		if err := x.may(actionPrune); err != nil {
			return err
		}
	}
	id, err := x.beginPrune(given(dryRun), given(acrossHole))
	if err != nil {
		return err
	}
	return x.v1Accepted(id)
}

// given reports whether a switch is given as true.
func given(b *bool) bool { return b != nil && *b }

type v1CancelBody struct {
	Cancelling string `json:"cancelling"` // id of the backup, empty when it is not known
}

func (x *exchange) v1Cancel() error {
	if err := x.noBody(); err != nil {
		return err
	}
	ctx, cancel := x.beginning()
	defer cancel()
	if err := x.loc.Control.Cancel(ctx); err != nil {
		return x.refused(err)
	}
	body := v1CancelBody{}
	if x.snap.Running != nil {
		body.Cancelling = string(x.snap.Running.BackupID)
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

func (x *exchange) v1Acknowledge() error {
	o, err := x.v1Object(true, "code", "object", "note")
	if err != nil {
		return err
	}
	code, err := jsonbody.String(o, "code", "")
	if err != nil {
		return err
	}
	about, err := jsonbody.String(o, "object", "")
	if err != nil {
		return err
	}
	note, err := jsonbody.String(o, "note", "")
	if err != nil {
		return err
	}
	switch {
	case code == "":
		return apierror.Content("code", "is missing")
	case len(note) > flow.MaxNote:
		return apierror.Content("note", fmt.Sprintf("has more than %d bytes", flow.MaxNote))
	}
	note = backup.Printable(note, flow.MaxNote)
	if _, open := x.snap.Alert(alert.Key{Code: alert.Code(code), Object: about}); !open {
		return apierror.NotFound("No open alert has the code " + apierror.Quoted(code) + " and the object " + apierror.Quoted(about) + ".")
	}
	ctx, cancel := x.beginning()
	defer cancel()
	if err := x.loc.Control.Acknowledge(ctx, flow.AlertAcknowledgement{Code: code, Object: about, By: x.by(), Note: note, Replace: o["note"].Value != nil}); err != nil {
		return x.refused(err)
	}
	x.snap = x.loc.Board.Snapshot()
	return x.v1Alerts()
}

type v1ChallengeBody struct {
	Fingerprint string `json:"fingerprint"`
	Kind        string `json:"kind"`
	Text        string `json:"text"`
}

func (x *exchange) v1Challenges() error {
	if err := x.noBody(); err != nil {
		return err
	}
	ctx, cancel := x.beginning()
	defer cancel()
	made, err := x.loc.Control.Challenges(ctx, x.by())
	if err != nil {
		return x.refused(err)
	}
	body := plainList{[]any{}}
	for _, c := range made {
		body.Value = append(body.Value, v1ChallengeBody{c.Fingerprint, c.Kind, c.Text})
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

type v1ProofBody struct {
	Fingerprint string  `json:"fingerprint"`
	ProvenAt    *string `json:"provenAt"`
	ProvenBy    string  `json:"provenBy"`
}

func (x *exchange) v1Answer() error {
	o, err := x.v1Object(true, "answer")
	if err != nil {
		return err
	}
	answer, err := jsonbody.String(o, "answer", "")
	if err != nil {
		return err
	}
	if answer == "" {
		return apierror.Content("answer", "is missing")
	}
	ctx, cancel := x.beginning()
	defer cancel()
	state, err := x.loc.Control.Prove(ctx, secret.New(answer), x.by())
	if err != nil {
		return x.refused(err)
	}
	return x.answer(http.StatusOK, apierror.MediaType, v1ProofBody{state.Fingerprint, wire.Date(state.ProvenAt), state.ProvenBy})
}

// v1OperationBody has the form of an asynchronous status.
type v1OperationBody struct {
	ID        string            `json:"id"`
	Kind      string            `json:"kind"`
	Status    string            `json:"status"` // Running, Succeeded, Failed or Canceled
	StartTime *string           `json:"startTime"`
	EndTime   *string           `json:"endTime"`
	Error     *apierror.Detail  `json:"error,omitempty"`
	Result    *v1OperationValue `json:"result,omitempty"`
}

type v1OperationValue struct {
	Backup  *v1BackupBody          `json:"backup,omitempty"`
	Prune   *operation.PruneResult `json:"prune,omitempty"`
	Verdict any                    `json:"verdict,omitempty"`
	Restore *restore.Totals        `json:"restore,omitempty"`
	Plan    *flow.RestorePlan      `json:"plan,omitempty"`
	Diff    *diffs.Summary         `json:"diff,omitempty"`
}

// verifying begins the ids of verifications.
const verifying = "verify:"

func (x *exchange) v1Operation() error {
	id := strings.ToLower(x.params.Operation)
	if !address.IsGUID(strings.TrimPrefix(id, verifying)) {
		return x.noOperation()
	}
	o, err := x.look(id)
	body := v1OperationBody{ID: id, Kind: string(o.Kind), Status: "Running", StartTime: wire.Date(o.StartedAt), EndTime: wire.Date(o.EndedAt)}
	if err == nil {
		x.loc.Plans.Made(o)
	}
	switch {
	case operations.Unknown(err):
		return x.noOperation()
	case err != nil:
		f := apierror.AtRequest(err)
		if apierror.Away(err) {
			f.RetryAfter = apierror.WaitWhenAway
		}
		return f
	case o.Running:
		x.w.Header().Set("Retry-After", apierror.Seconds(retryOwn))
	case o.Fault != nil:
		detail := apierror.OfOperation(o.Fault).Detail()
		body.Status, body.Error = wire.Failed, &detail
		if o.Fault.Code == fault.Cancelled {
			body.Status = wire.Canceled
		}
	default:
		body.Status, body.Result = wire.Succeeded, x.v1Result(id, o)
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

func (x *exchange) v1Result(id string, o operation.Operation) *v1OperationValue {
	value := &v1OperationValue{Prune: o.Prune, Restore: o.Restore, Plan: o.Plan, Diff: o.Diff}
	if o.Verdict != nil {
		value.Verdict = o.Verdict
	}
	switch o.Kind {
	case operation.Backup:
		if b, ok := x.backupOf(o); ok {
			shown := x.v1BackupOf(b)
			value.Backup = &shown
		}
	case operation.Change:
		x.changed(id, o)
	}
	return value
}
