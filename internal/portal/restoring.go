package portal

import (
	"cmp"

	"infrabackup/internal/fault"
	"infrabackup/internal/portal/comparing"
	"infrabackup/internal/portal/drills"
	"infrabackup/internal/portal/restores"
)

// view is the request as the packages below have it.
func (q *request) view(nav string) *restores.View {
	return &restores.View{
		Request: q.r, Context: cmp.Or(q.lasting, q.r.Context()), By: q.by(), Board: q.snap, Now: q.h.Now(), Plans: q.Plans, Running: q.Restoring,
		Enter: func() (func(), bool) { return q.h.asked.Enter(q.by()) }, Later: q.later, Typed: func(field string) string { return q.page.Form.Value(field) }, Fill: q.fill, Wrong: q.page.Form.wrong, To: q.to, Failed: q.failed,
		Refuse: func(field string, err error) {
			f := fault.As(err)
			q.page.Form.Errors = append(q.page.Form.Errors, fieldError{Field: field, Message: sentence(f.Message()), Remedy: remedyOf(f)})
		},
		Show: func(status int, name, title string, data any) { q.show(status, name, nav, title, data) },
	}
}

// restoring makes a page, or what a form does, of one of package restores.
func restoring(do func(*restores.View)) func(*request) {
	return func(q *request) { do(q.view("restores")) }
}

// drilling is [restoring] of package drills.
func drilling(do func(*drills.View)) func(*request) {
	return func(q *request) {
		do(&drills.View{View: q.view("restores"), Drills: q.Drills, Findings: q.session.May(ActionPlanRestore) == nil})
	}
}

// compare makes a page, or what a form does, of package comparing.
func compare(do func(*comparing.View)) func(*request) {
	return func(q *request) { do(&comparing.View{View: q.view("backups"), Diffs: q.Diffs}) }
}

// only is a page that is for those who may do something.
func only(action string, do func(*request)) func(*request) {
	return func(q *request) {
		if err := q.session.May(action); err != nil {
			q.refused(err)
			return
		}
		do(q)
	}
}
