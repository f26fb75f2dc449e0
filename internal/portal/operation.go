package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operations"
	"infrabackup/internal/settings"
)

type operationData struct {
	O       control.Operation
	Title   string
	Problem *problem
	Removed int
	Going   []flow.PruneDecision // what would go, or went
	Preview bool
	Runs    string
	Back    string // where to try again, below the instance
	Next    string
	NextTo  string
}

var operationTitles = map[control.OperationKind]string{
	control.OperationBackup: "Backup", control.OperationChange: "Change of settings", control.OperationPrune: "Removal of old backups", control.OperationVerify: "Verification",
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
		d.Problem.Unchanged = o.Kind == control.OperationChange || o.Kind == control.OperationVerify
	}
	switch o.Kind {
	case control.OperationChange:
		d.Runs, d.Back = q.h.workflowLink(flow.ChangeSettingsWorkflowID(q.Name), o.ID), "settings"
		if !q.snap.Enabled {
			d.Back = "enable"
		}
		if s := q.settingsOf(o); s != nil && o.Fault == nil && !o.Running {
			d.Next, d.NextTo = "Look at the settings", "settings"
			if !proven(s) {
				d.Next, d.NextTo = "Prove the key", "settings/proof"
			}
		}
	case control.OperationPrune:
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
	case control.OperationVerify:
		d.Back = "backups"
	case control.OperationBackup:
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

// settingsOf are the settings that a change has made.
func (q *request) settingsOf(o control.Operation) *settings.Summary {
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
