package portal

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/portal/chart"
)

// notices are what a page says after a change that was done at once. A query names them, so
// that no link can put words onto a page.
var notices = map[string]string{
	"schedule":     "The schedule was saved.",
	"acknowledged": "The alert was acknowledged.",
	"known":        "The alert was acknowledged before. Nothing was changed.",
	"cancelled":    "The backup is being cancelled. It takes a moment until it has removed what it wrote.",
	"proven":       "The key was proven.",
	"unchanged":    "What you gave is in use already. Nothing was changed.",
}

func (q *request) notice() { q.page.Notice = notices[q.r.URL.Query().Get("done")] }

// live keeps a page current: by the stream, and without script by loading again.
func (q *request) live(view, id string) {
	q.page.Stream = url.Values{"view": {view}, "id": {id}}.Encode()
	if (q.snap.Running != nil || unread(q.snap)) && q.r.URL.Query().Get("still") == "" {
		q.page.Refresh = 10
	}
}

type overviewData struct {
	Newest     *board.Backup // finished
	Advice     []string
	Runs       string
	Verifiable backup.ID
}

func (q *request) overview() {
	q.notice()
	q.live("overview", "")
	q.show(http.StatusOK, "overview", "overview", "Overview", q.overviewData())
}

func (q *request) overviewData() any {
	d := overviewData{Advice: q.snap.Schedule.Warnings(), Runs: q.backupRuns(q.snap.RunID)}
	for i := range q.snap.Backups {
		if b := &q.snap.Backups[i]; !b.FinishedAt.IsZero() {
			d.Newest = b
			if b.Status != backup.Failed {
				d.Verifiable = b.BackupID
			}
			break
		}
	}
	return d
}

type backupsData struct {
	Charts []chart.Chart
	Rows   []chartRow
}

func (q *request) backups() {
	q.live("backups", "")
	q.show(http.StatusOK, "backups", "backups", "Backups", q.backupsData())
}

func (q *request) backupsData() any { return backupsData{charts(q.snap), chartRows(q.snap)} }

type backupData struct {
	B       *board.Backup
	Running bool
	Runs    string
	Folder  string
}

func (q *request) backup() {
	data, ok := q.backupData(q.r.PathValue("id"))
	if !ok {
		q.page.Problem = &problem{Title: "There is no such backup", Code: string(fault.BackupNotFound),
			Cause:  "It is neither on the share nor among the newest runs that failed.",
			Remedy: "See the list of backups; it may have been removed by the retention."}
		q.show(http.StatusNotFound, "message", "backups", q.page.Problem.Title, nil)
		return
	}
	q.live("backup", q.r.PathValue("id"))
	q.show(http.StatusOK, "backup", "backups", "Backup "+shortID(data.B.BackupID), data)
}

func (q *request) backupData(id string) (backupData, bool) {
	for i := range q.snap.Backups {
		b := &q.snap.Backups[i]
		if string(b.BackupID) != id {
			continue
		}
		d := backupData{B: b, Runs: q.backupRuns("")}
		if q.snap.Running != nil && q.snap.Running.BackupID == b.BackupID {
			d.Running, d.Runs = true, q.backupRuns(q.snap.RunID)
		}
		if b.Path != "" {
			d.Folder = q.snap.Settings.Share.Path + `\` + strings.ReplaceAll(b.Path, "/", `\`)
		}
		return d, true
	}
	return backupData{}, false
}

// beginBackup starts a backup. The page that shows it is the overview.
func (q *request) beginBackup() {
	if _, err := q.Control.BeginBackup(q.lasting, q.by()); err != nil {
		q.failed(err)
		return
	}
	q.to("")
}

func (q *request) beginVerify() {
	id, err := backup.ParseID(q.r.PathValue("id"))
	if err != nil {
		q.failed(fault.New(fault.BackupNotFound, "there is no such backup", nil))
		return
	}
	begun, err := q.Control.BeginVerify(q.lasting, string(id), q.by())
	if err != nil {
		q.failed(err)
		return
	}
	q.h.asked.Forget(q.Name, begun.ID) // it may name the verification before, too
	q.to("operations/" + url.PathEscape(begun.ID))
}

// cancelPage asks whether the running backup is to end.
func (q *request) cancelPage() {
	q.show(http.StatusOK, "cancel", "overview", "Cancel the running backup", nil)
}

func (q *request) cancel() {
	if err := q.Control.Cancel(q.lasting); err != nil {
		q.failed(err)
		return
	}
	q.to("?done=cancelled")
}

func (q *request) alerts() {
	q.notice()
	q.live("alerts", "")
	q.show(http.StatusOK, "alerts", "alerts", "Alerts", nil)
}

// openAlert is the alert that the page's form names. It answers itself where that is not open.
func (q *request) openAlert() (alert.Alert, bool) {
	f := q.page.Form
	a, open := q.snap.Alert(alert.Key{Code: alert.Code(f.Value("code")), Object: f.Value("object")})
	if !open {
		q.h.message(q.w, q.r, http.StatusNotFound, "This alert is not open", "It may have closed by itself. Nothing was changed.")
	}
	return a, open
}

// acknowledgePage asks for a note.
func (q *request) acknowledgePage() {
	if err := q.session.May(ActionAcknowledge); err != nil {
		q.refused(err)
		return
	}
	query := q.r.URL.Query()
	q.fill(map[string]string{"code": query.Get("code"), "object": query.Get("object")})
	if a, open := q.openAlert(); open {
		if !q.page.Form.Back {
			q.page.Form.Values["note"] = a.Note
		}
		q.showAcknowledge(http.StatusOK, a)
	}
}

func (q *request) showAcknowledge(status int, a alert.Alert) {
	q.show(status, "acknowledge", "alerts", "Acknowledge an alert", a)
}

// acknowledge takes alerts that are open: an entry for another would silence one to come. Control
// decides what counts of one that was acknowledged before: who was first stays, unless there is
// another note.
func (q *request) acknowledge() {
	q.typed("code", "object", "note")
	a, open := q.openAlert()
	if !open {
		return
	}
	note := q.page.Form.Value("note")
	one := flow.AlertAcknowledgement{Code: string(a.Code), Object: a.Object, By: q.by(), Note: note, Replace: note != "" && note != a.Note}
	if len(note) > flow.MaxNote {
		q.page.Form.wrong("note", fmt.Sprintf("The note has %d bytes, and may have %d.", len(note), flow.MaxNote))
		q.showAcknowledge(http.StatusUnprocessableEntity, a)
		return
	}
	if err := q.Control.Acknowledge(q.lasting, one); err != nil {
		q.failed(err)
		return
	}
	if !a.AcknowledgedAt.IsZero() && !one.Replace {
		q.to("alerts?done=known")
		return
	}
	q.to("alerts?done=acknowledged")
}

func (q *request) history() {
	q.show(http.StatusOK, "history", "history", "History of changes", nil)
}
