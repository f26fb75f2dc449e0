package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operations"
	"infrabackup/internal/portal/draft"
	"infrabackup/internal/portal/restores"
	"infrabackup/internal/settings"
)

type operationData struct {
	O       operation.Operation
	Title   string
	Problem *problem
	Removed int
	Going   []flow.PruneDecision // what would go, or went
	Preview bool
	At      *flow.RestoreAt // of the restore that runs, nil where no worker tells
	Runs    string
	Back    string // where to try again, below the instance
	Next    string
	NextTo  string
}

var operationTitles = map[operation.Kind]string{
	operation.Backup: "Backup", operation.Change: "Change of settings", operation.Prune: "Removal of old backups", operation.Restore: "Restore", operation.Plan: "Plan of a restore", operation.Verify: "Verification", operation.Diff: "Comparison of two backups",
}

// faultOf is an error as a fault.
func faultOf(err error) *fault.Fault { return fault.As(err) }

func (q *request) operation() {
	id := q.r.PathValue("id")
	data, err := q.operationData(id, q.r.URL.Query().Get("preview") != "")
	if errors.Is(err, operations.ErrBusy) {
		q.later("Ask again in a moment", "There are too many questions about operations now.")
		return
	}
	if err != nil {
		q.failed(err)
		return
	}
	if data.O.Running {
		query := url.Values{"view": {"operation"}, "id": {id}}
		if data.Preview {
			query.Set("preview", "1")
		}
		q.page.Stream = query.Encode()
		if q.r.URL.Query().Get("still") == "" {
			q.page.Refresh = 5
		}
	}
	q.show(http.StatusOK, "operation", "", data.Title, data)
}

func (q *request) operationData(id string, preview bool) (operationData, error) {
	o, err := q.h.asked.Get(q.r.Context(), q.Name, id, q.by(), q.Control.Operation)
	if err != nil {
		return operationData{}, err
	}
	d := operationData{O: o, Title: operationTitles[o.Kind], Preview: preview}
	if o.Fault != nil {
		d.Problem = problemOf(o.Fault)
		d.Problem.Unchanged = o.Kind == operation.Change || o.Kind == operation.Verify
	}
	switch o.Kind {
	case operation.Change:
		d.Runs, d.Back = q.h.workflowLink(flow.ChangeSettingsWorkflowID(q.Name), o.ID), "settings"
		if !q.snap.Enabled {
			d.Back = "enable"
		}
		if !o.Running {
			q.ended(o, &d)
		}
		if s := q.settingsOf(o); s != nil && o.Fault == nil && !o.Running {
			d.Next, d.NextTo = "Look at the settings", "settings"
			if !proven(s) {
				d.Next, d.NextTo = "Prove the key", "settings/proof"
			}
		}
	case operation.Prune:
		d.Back = "prune"
		if o.Prune != nil {
			d.Removed = len(o.Prune.Removed)
			for _, decision := range o.Prune.Decisions {
				if decision.Remove {
					d.Going = append(d.Going, decision)
				}
			}
		}
		if preview {
			d.Title = "What would be removed"
		}
	case operation.Verify:
		d.Back = "backups"
	case operation.Diff:
		if d.Back = "backups"; q.session.May(ActionCompare) == nil {
			d.Back, d.Next, d.NextTo = "diffs/new", "Read what differs", "diffs/"+o.ID
		}
	case operation.Restore:
		d.Back, d.Next, d.NextTo = "restores", "See the restores", "restores"
		if o.Running {
			now, err := q.h.asked.Get(q.r.Context(), q.Name, restores.RunningID, q.by(), restores.Progress(q.Restoring))
			if err == nil { // else it is shown that it runs
				d.At = now.RestoreAt
			}
		}
	case operation.Plan:
		q.Plans.Made(o)
		if d.Back = "restores/new"; o.Plan != nil {
			d.Next, d.NextTo = "Read the plan", "restores/plans/"+o.Plan.PlanID
		}
	case operation.Backup:
		d.Runs, d.Back = q.backupRuns(""), ""
		if q.snap.RunID != "" && o.Running {
			d.Runs = q.backupRuns(q.snap.RunID)
		}
	}
	if d.Title == "" {
		d.Title = fmt.Sprintf("Operation %.60s", o.ID)
	}
	return d, nil
}

// ended leads from a change that was refused back to what was given for it, and forgets that
// after one that was not.
func (q *request) ended(o operation.Operation, d *operationData) {
	for _, what := range []string{draftSent, draftKey, draftEnable} {
		of, known := q.h.drafts.OfOperation(q.owner(what), o.ID)
		switch {
		case !known:
			continue
		case o.Fault == nil && what != draftEnable:
			q.h.drafts.Drop(q.owner(what), of)
			return
		case o.Fault == nil:
			return
		}
		back := url.Values{afterParameter: {o.ID}}
		switch what {
		case draftSent:
			d.Back = "settings/" + of.Form
		case draftKey:
			d.Back = "settings/key/confirm"
			back.Set(draftParameter, of.Name())
		case draftEnable:
			d.Back = "enable/" + stepOf(fieldOf(o.Fault.Code))
			back.Set(draftParameter, of.Name())
		}
		d.Back += "?" + back.Encode()
		return
	}
}

// afterParameter is the operation that a person comes from, in the address of a form.
const afterParameter = "after"

// stepOf is the step of the guided form that a field is on. The account's is the one that has
// to be given again in any case, for its password.
func stepOf(field string) string {
	switch field {
	case "path", "transport":
		return "share"
	case "recipients":
		return "key"
	}
	return "account"
}

// refusedAfter tells on a form why the operation was refused that it was sent for, when that is
// what the person comes from.
func (q *request) refusedAfter(d draft.Draft) bool {
	id := q.r.URL.Query().Get(afterParameter)
	if id == "" || id != d.Begun {
		return false
	}
	o, err := q.h.asked.Get(q.r.Context(), q.Name, id, q.by(), q.Control.Operation)
	if err != nil || o.Running || o.Fault == nil {
		return false
	}
	q.page.Form.refuse(o.Fault)
	if fieldOf(o.Fault.Code) == "username" {
		q.page.Form.wrong("password", "Type the password again, also when the user name is what was wrong: it was not kept.")
	}
	return true
}

// settingsOf are the settings that a change has made.
func (q *request) settingsOf(o operation.Operation) *settings.Summary {
	if o.Settings != nil {
		return o.Settings
	}
	if q.snap.Enabled {
		return &q.snap.Settings
	}
	return nil
}

func proven(s *settings.Summary) bool {
	for _, r := range s.Recipients {
		if r.ProvenAt.IsZero() {
			return false
		}
	}
	return true
}
