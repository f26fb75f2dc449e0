package portal

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"infrabackup/internal/board"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

type scheduleData struct {
	Advice    []string
	Hours     []int
	Plan      []flow.PruneDecision // what would go
	Hold      string               // why nothing goes now, all the same
	Estimated bool                 // by age alone
	Wanted    schedule.Setting
	Seen      string // the setting that the page shows
	Shorter   bool   // less is kept than now
	On        bool   // the schedule is switched on
}

// planTimeout bounds how long a worker is waited for that looks what would go.
const planTimeout = 20 * time.Second

// scheduled answers where the schedule is not known: after an incomplete first reading, one
// that was not read looks like one that was never set.
func (q *request) scheduled() bool {
	if q.snap.Enabled && q.snap.AsOf.IsZero() && q.snap.Schedule.FrequencyHours == 0 {
		q.later("Not read yet", "The schedule was not read so far.")
		return false
	}
	return q.enabled()
}

func (q *request) schedulePage() {
	if !q.scheduled() {
		return
	}
	q.notice()
	s := q.snap.Schedule.Setting
	if s.FrequencyHours == 0 { // never set: what is proposed
		s = schedule.Default()
	}
	enabled := ""
	if s.Enabled {
		enabled = "1"
	}
	q.fill(map[string]string{"enabled": enabled, "frequency": fmt.Sprint(s.FrequencyHours), "retention": fmt.Sprint(s.RetentionDays), "keep": fmt.Sprint(s.KeepVerified)})
	q.showSchedule(http.StatusOK)
}

func (q *request) showSchedule(status int) {
	d := scheduleData{Advice: q.snap.Schedule.Warnings(), Seen: q.seen()}
	for hours := schedule.MinFrequencyHours; hours <= schedule.MaxFrequencyHours; hours++ {
		d.Hours = append(d.Hours, hours)
	}
	q.show(status, "schedule", "schedule", "Schedule and retention", d)
}

// wantedSchedule reads a setting; what is wrong is put into the page's form.
func (q *request) wantedSchedule(values url.Values) schedule.Setting {
	f := &q.page.Form
	*f = form{Values: map[string]string{}}
	for _, name := range []string{"enabled", "frequency", "retention", "keep", "seen"} {
		f.Values[name] = values.Get(name)
	}
	number := func(name, what string, low, high int) int {
		n, err := strconv.Atoi(f.Value(name))
		if err != nil || n < low || n > high {
			f.wrong(name, fmt.Sprintf("%s has to be a number from %d to %d.", what, low, high))
		}
		return n
	}
	return schedule.Setting{
		Enabled: f.Value("enabled") != "", FrequencyHours: number("frequency", "The time between backups, in hours,", schedule.MinFrequencyHours, schedule.MaxFrequencyHours),
		RetentionDays: number("retention", "The retention, in days,", schedule.MinRetentionDays, schedule.MaxRetentionDays),
		KeepVerified:  number("keep", "The number of verified backups", schedule.MinKeepVerified, schedule.MaxKeepVerified),
	}
}

// seenFormat is how forms carry the setting that they were drawn over.
const seenFormat = "%t-%d-%d-%d"

// seen is the setting that a form was drawn over, or what is set now.
func (q *request) seen() string {
	s := q.snap.Schedule.Setting
	return cmp.Or(q.page.Form.Value("seen"), fmt.Sprintf(seenFormat, s.Enabled, s.FrequencyHours, s.RetentionDays, s.KeepVerified))
}

// seenSetting is the same as a setting.
func (q *request) seenSetting() schedule.Setting {
	var s schedule.Setting
	if _, err := fmt.Sscanf(q.seen(), seenFormat, &s.Enabled, &s.FrequencyHours, &s.RetentionDays, &s.KeepVerified); err != nil {
		return q.snap.Schedule.Setting // no form of ours
	}
	return s
}

// shortens reports whether less would be kept than now; what was never set keeps everything.
func shortens(now, wanted schedule.Setting) bool {
	return now.RetentionDays == 0 || wanted.RetentionDays < now.RetentionDays || wanted.KeepVerified < now.KeepVerified
}

// lessIsKept reports whether backups can go by a setting that stay now: when less is kept, or
// when a schedule that is switched on has the retention go on by itself.
func lessIsKept(now, wanted schedule.Setting) bool {
	return shortens(now, wanted) || wanted.Enabled && !now.Enabled
}

func (q *request) setSchedule() {
	if !q.scheduled() {
		return
	}
	wanted := q.wantedSchedule(q.r.PostForm)
	if len(q.page.Form.Errors) > 0 {
		q.showSchedule(http.StatusUnprocessableEntity)
		return
	}
	if lessIsKept(q.snap.Schedule.Setting, wanted) {
		if !q.r.PostForm.Has("confirm") {
			query := url.Values{}
			for name, value := range q.page.Form.Values {
				query.Set(name, value)
			}
			q.plan(wanted)
			q.to("schedule/shorten?" + query.Encode())
			return
		}
		if !q.session.Fresh() {
			q.h.kept.keep(q.w, q.r, q.path("schedule"))
			q.h.toLogin(q.w, q.r, q.path("schedule"), true)
			return
		}
		q.confirmed()
		if len(q.page.Form.Errors) > 0 {
			q.showShorten(http.StatusUnprocessableEntity, wanted)
			return
		}
	}
	if err := q.Control.SetSchedule(q.lasting, wanted, q.seenSetting(), q.by()); err != nil {
		q.page.Form.refuse(err)
		q.page.Form.Values["seen"] = "" // what is shown now is sent again over that
		q.showSchedule(http.StatusUnprocessableEntity)
		return
	}
	q.to("schedule?done=schedule")
}

// shortenPage shows what a shorter retention or the schedule would remove, before anything is saved.
func (q *request) shortenPage() {
	if !q.scheduled() {
		return
	}
	if err := q.session.May(ActionWrite); err != nil {
		q.refused(err)
		return
	}
	wanted := q.wantedSchedule(q.r.URL.Query())
	if len(q.page.Form.Errors) > 0 {
		q.to("schedule")
		return
	}
	if !q.ensureFresh() {
		return
	}
	q.showShorten(http.StatusOK, wanted)
}

func (q *request) showShorten(status int, wanted schedule.Setting) {
	d := scheduleData{Wanted: wanted, Seen: q.seen(), Shorter: shortens(q.snap.Schedule.Setting, wanted), On: wanted.Enabled && !q.snap.Schedule.Enabled}
	title := "Keep backups for a shorter time"
	if !d.Shorter {
		title = "Switch the schedule on"
	}
	decisions := oldEnough(q.snap, wanted, q.h.Now())
	if plan, known := q.h.plans.Get(q.owner(draftSchedule), wanted); known {
		decisions, d.Hold = plan.Decisions, plan.Hold
	} else {
		d.Estimated = true
	}
	for _, decision := range decisions {
		if decision.Remove {
			d.Plan = append(d.Plan, decision)
		}
	}
	q.show(status, "shorten", "schedule", title, d)
}

// plan has a worker look what a setting would remove, for the page that asks for consent. Where
// none can, the page tells what is old enough.
func (q *request) plan(wanted schedule.Setting) {
	ctx, cancel := context.WithTimeout(q.lasting, planTimeout)
	defer cancel()
	if plan, err := q.Control.PruneBy(ctx, wanted, q.by()); err == nil {
		q.h.plans.Put(q.owner(draftSchedule), wanted, plan)
	}
}

// oldEnough lists what a retention could remove by age: what it protects is not known here.
func oldEnough(s *board.Snapshot, setting schedule.Setting, now time.Time) []flow.PruneDecision {
	var all []flow.PruneDecision
	good, _ := s.NewestGood()
	for _, b := range s.Backups {
		if b.Path == "" || b.FinishedAt.IsZero() || b.BackupID == good.BackupID {
			continue
		}
		old := now.Sub(b.FinishedAt) > time.Duration(setting.RetentionDays)*24*time.Hour
		all = append(all, flow.PruneDecision{BackupID: b.BackupID, Path: b.Path, FinishedAt: b.FinishedAt, Remove: old, Reason: "older than " + plural(int64(setting.RetentionDays), "day")})
	}
	return all
}

func (q *request) prunePage() {
	if q.enabled() {
		q.page.Form = form{}
		q.show(http.StatusOK, "prune", "schedule", "Remove old backups", nil)
	}
}

// previewPrune asks what the retention would remove.
func (q *request) previewPrune() {
	begun, err := q.Control.BeginPrune(q.lasting, true, q.r.PostForm.Get("across") != "", q.by())
	if err != nil {
		q.failed(err)
		return
	}
	q.to("operations/" + url.PathEscape(begun.ID) + "?preview=1")
}

// beginPrune removes what the retention no longer keeps.
func (q *request) beginPrune() {
	q.typed()
	q.confirmed()
	if len(q.page.Form.Errors) > 0 {
		q.show(http.StatusUnprocessableEntity, "prune", "schedule", "Remove old backups", nil)
		return
	}
	begun, err := q.Control.BeginPrune(q.lasting, false, q.r.PostForm.Get("across") != "", q.by())
	if err != nil {
		q.failed(err)
		return
	}
	q.to("operations/" + url.PathEscape(begun.ID))
}
