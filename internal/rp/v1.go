package rp

import (
	_ "embed" // the OpenAPI document
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/flow"
	"infrabackup/internal/rp/wire"
	"infrabackup/internal/settings"
)

// openAPIDocument describes /api/v1. A test holds it and the routes against each other.
//
//go:embed openapi.json
var openAPIDocument []byte

func (x *exchange) openAPI() error {
	x.w.Header().Set("Content-Type", jsonPlain)
	_, _ = x.w.Write(openAPIDocument) // the client may be gone
	return nil
}

// v1Path is an address below a location of /api/v1.
func (x *exchange) v1Path(rest string) string {
	return x.h.base + "/api/v1/locations/" + url.PathEscape(x.loc.name) + rest
}

type v1LocationBody struct {
	Name     string `json:"name"`
	Instance string `json:"instance"`
	Enabled  bool   `json:"enabled"`
}

func (x *exchange) v1Locations() error {
	body := plainList{[]any{}}
	for _, key := range sortedKeys(x.h.locations) {
		l := x.h.locations[key]
		s := l.Board.Snapshot()
		body.Value = append(body.Value, v1LocationBody{l.name, s.Instance.Name, s.Enabled})
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

// v1Status answers the first question: could everything be restored today, to which state, and
// until when?
type v1StatusBody struct {
	AsOf       *string           `json:"asOf"`
	Stale      *apierror.Detail  `json:"stale,omitempty"` // why the newest attempt to read failed
	Instance   backup.Instance   `json:"instance"`
	Enabled    bool              `json:"enabled"`
	Restorable bool              `json:"restorable"`
	Newest     *v1BackupBody     `json:"newestGood,omitempty"`
	Running    *v1ProgressBody   `json:"running,omitempty"`
	Change     *string           `json:"change,omitempty"` // id of the change that runs
	Settings   *settings.Summary `json:"settings,omitempty"`
	Capacity   v1CapacityBody    `json:"capacity"`
	Alerts     map[string]int    `json:"alerts"` // open ones by severity
	Schedule   v1ScheduleBody    `json:"schedule"`
}

type v1CapacityBody struct {
	FreeBytes  int64 `json:"freeBytes"`
	TotalBytes int64 `json:"totalBytes"`
}

func (x *exchange) v1Status() error {
	s := x.snap
	body := v1StatusBody{
		AsOf: wire.Date(s.AsOf), Instance: s.Instance, Enabled: s.Enabled, Running: x.running(), Capacity: v1CapacityBody{s.Capacity.Free, s.Capacity.Total},
		Alerts: map[string]int{}, Schedule: scheduleBody(s),
	}
	if s.Fault != nil {
		detail := apierror.AtRequest(s.Fault).Detail()
		body.Stale = &detail
	}
	if b, ok := s.NewestGood(); ok {
		shown := x.v1BackupOf(b)
		body.Newest, body.Restorable = &shown, !b.Restorable.IsZero() && x.h.options.Now().Before(b.Restorable)
	}
	if s.Change != nil {
		body.Change = &s.Change.ID
	}
	if s.Enabled {
		body.Settings = &s.Settings
	}
	for _, a := range s.Alerts {
		body.Alerts[string(a.Severity)]++
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

// v1ProgressBody has the form of an asynchronous status.
type v1ProgressBody struct {
	Status          string        `json:"status"` // Idle, or the word of the run's status
	PercentComplete float64       `json:"percentComplete"`
	Properties      *v1RunDetails `json:"properties,omitempty"`
}

type v1RunDetails struct {
	BackupID  backup.ID              `json:"backupId"`
	Step      string                 `json:"step"`
	StartedAt *string                `json:"startedAt"`
	Elapsed   string                 `json:"elapsed"`
	Services  []flow.ServiceProgress `json:"services"`
}

// running is the backup that runs, nil when none does.
func (x *exchange) running() *v1ProgressBody {
	p := x.snap.Running
	if p == nil {
		return nil
	}
	body := &v1ProgressBody{Status: statusWord(p.Status), PercentComplete: wire.Percent(p), Properties: &v1RunDetails{
		BackupID: p.BackupID, Step: p.Step, StartedAt: wire.Date(p.StartedAt), Elapsed: wire.Duration(x.h.options.Now().Sub(p.StartedAt)),
		Services: append([]flow.ServiceProgress{}, p.Services...),
	}}
	return body
}

func (x *exchange) v1Progress() error {
	body := x.running()
	if body == nil {
		body = &v1ProgressBody{Status: "Idle"}
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

type v1HistoryBody struct {
	Value   []settings.Record `json:"value"` // newest first
	Dropped int64             `json:"dropped"`
}

func (x *exchange) v1History() error {
	records := append([]settings.Record{}, x.snap.History.Records...)
	slices.Reverse(records)
	return x.answer(http.StatusOK, apierror.MediaType, v1HistoryBody{records, x.snap.History.Dropped})
}

type v1AlertsBody struct {
	Value []alert.Alert `json:"value"`
}

func (x *exchange) v1Alerts() error {
	return x.answer(http.StatusOK, apierror.MediaType, v1AlertsBody{append([]alert.Alert{}, x.snap.Alerts...)})
}

// v1BackupBody is a backup with all that is known of it.
type v1BackupBody struct {
	backup.Overview
	VerifiedAt      *string `json:"verifiedAt"`
	VerifyCode      string  `json:"verifyCode,omitempty"`
	RestorableUntil *string `json:"restorableUntil"`
	Why             string  `json:"why,omitempty"`
	Thumbprint      *string `json:"thumbprint"`
	Scheduled       bool    `json:"scheduled"`
}

func (x *exchange) v1BackupOf(b board.Backup) v1BackupBody {
	o := b.Overview
	o.Services = append([]backup.ServiceResult{}, o.Services...)
	return v1BackupBody{o, wire.Date(b.VerifiedAt), b.VerifyCode, wire.Date(b.Restorable), b.Why, wire.Text(b.Thumbprint), b.Scheduled}
}

func (x *exchange) v1Backups() error {
	body := plainList{[]any{}}
	for _, b := range x.snap.Backups {
		body.Value = append(body.Value, x.v1BackupOf(b))
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

func (x *exchange) v1Backup() error {
	b, err := x.named()
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, apierror.MediaType, x.v1BackupOf(b))
}

type v1ScheduleBody struct {
	Enabled        bool    `json:"enabled"`
	FrequencyHours int     `json:"frequencyHours"`
	RetentionDays  int     `json:"retentionDays"`
	KeepVerified   int     `json:"keepVerified"`
	Next           *string `json:"next"`
	LastSlot       *string `json:"lastSlot"`
	LastOutcome    string  `json:"lastOutcome,omitempty"`
	LastCode       string  `json:"lastCode,omitempty"`
	LastMessage    string  `json:"lastMessage,omitempty"`
	Missed         int64   `json:"missed"`
	ChangedAt      *string `json:"changedAt"`
	ChangedBy      string  `json:"changedBy,omitempty"`
}

func scheduleBody(s *board.Snapshot) v1ScheduleBody {
	st := s.Schedule
	plan := settingOf(s)
	return v1ScheduleBody{
		plan.Enabled, plan.FrequencyHours, plan.RetentionDays, plan.KeepVerified, wire.Date(s.Next), wire.Date(st.Slot), string(st.Outcome), st.Code, st.Message, st.Missed, wire.Date(st.ChangedAt), st.ChangedBy,
	}
}

func (x *exchange) v1Schedule() error {
	return x.answer(http.StatusOK, apierror.MediaType, scheduleBody(x.snap))
}

// retryOwn is how long clients of /api/v1 are to wait between polls.
const retryOwn = 5 * time.Second

// v1Accepted answers that an operation was begun.
func (x *exchange) v1Accepted(id string) error {
	x.w.Header().Set("Location", x.v1Path("/operations/"+url.PathEscape(strings.ToLower(id))))
	x.w.Header().Set("Retry-After", apierror.Seconds(retryOwn))
	return x.empty(http.StatusAccepted)
}
