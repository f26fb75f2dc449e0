package portal

import (
	"bytes"
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// request is one request for an instance by a session.
type request struct {
	h *handler
	w http.ResponseWriter
	r *http.Request
	*Instance
	session Session
	snap    *board.Snapshot
	page    *page
	// lasting is for what a form begins: a browser that goes away must not leave it half
	// begun.
	lasting context.Context //nolint:containedctx // it lives as long as the request
}

// changeTime bounds what a form begins.
const changeTime = 45 * time.Second

// change is a form that can be sent.
type change struct {
	path   string
	form   string // path of the page that the form is on, below the instance
	action string // that the session must be allowed to
	fresh  bool   // the login must be recent
	do     func(*request)
}

// begin finds instance and session. It answers itself, and returns nil, where one is missing.
func (h *handler) begin(w http.ResponseWriter, r *http.Request, back string, fresh bool) *request {
	instance, ok := h.instances[r.PathValue("instance")]
	session, in := h.Session(r)
	if !in || (fresh && !session.Fresh()) {
		if r.Method == http.MethodPost {
			h.kept.keep(w, r, back)
		}
		h.toLogin(w, r, back, in)
		return nil
	}
	if !ok {
		h.message(w, r, http.StatusNotFound, "There is no such instance", "The address may be mistyped, or the instance may not be configured here.")
		return nil
	}
	q := &request{h: h, w: w, r: r, Instance: instance, session: session, snap: instance.Board.Snapshot(), page: h.page("", session)}
	if q.snap == nil {
		q.snap = &board.Snapshot{Fault: fault.Newf(fault.TemporalUnreachable, "nothing was read yet"), Instance: backup.Instance{Name: instance.Name}}
	}
	q.page.Instance, q.page.S, q.page.Multi = instance.Name, q.snap, len(h.Instances) > 1
	q.page.Rates = h.paces[instance.Name].Observe(q.snap, h.Now())
	return q
}

// reading wraps a page.
func (h *handler) reading(show func(*request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := h.begin(w, r, r.URL.RequestURI(), false)
		if q == nil {
			return
		}
		if err := q.session.May(ActionRead); err != nil {
			q.refused(err)
			return
		}
		q.Board.Looked()
		show(q)
	}
}

// changing wraps what a form does.
func (h *handler) changing(c change) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		back := "/i/" + r.PathValue("instance") + "/" + strings.Replace(c.form, "{plan}", url.PathEscape(r.PathValue("plan")), 1)
		if step := r.PathValue("step"); step != "" {
			back += "/" + step
		}
		if query := r.URL.Query(); query.Has(draftParameter) {
			back += "?" + url.Values{draftParameter: {query.Get(draftParameter)}}.Encode()
		}
		q := h.begin(w, r, back, c.fresh && begins(r.PathValue("step")))
		if q == nil {
			return
		}
		if err := q.session.May(c.action); err != nil {
			q.refused(err)
			return
		}
		if err := q.parse(); err != nil {
			q.unreadable(err)
			return
		}
		lasting, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), changeTime)
		defer cancel()
		q.lasting = lasting
		c.do(q)
	}
}

// begins reports whether a step of a form in several steps begins something: only then the
// login has to be fresh, since a proof of a key may take an operator to another room. The
// steps that only fill a draft are named, so that one that nobody thought of begins.
func begins(step string) bool {
	return !slices.Contains([]string{"share", "account", "key", "proof"}, step)
}

// parse reads the form, also one with a file.
func (q *request) parse() error {
	if strings.HasPrefix(q.r.Header.Get("Content-Type"), "multipart/form-data") {
		return q.r.ParseMultipartForm(maxForm)
	}
	return q.r.ParseForm()
}

// unreadable says what is wrong with a form as a whole.
func (q *request) unreadable(err error) {
	var large *http.MaxBytesError
	if errors.As(err, &large) || errors.Is(err, multipart.ErrMessageTooLarge) {
		q.h.message(q.w, q.r, http.StatusRequestEntityTooLarge, "This form is too large", "Nothing was changed. A form may have 64 KiB, with the file in it.")
		return
	}
	q.h.message(q.w, q.r, http.StatusBadRequest, "This form cannot be read", "Nothing was changed. Open the page again, and send its form.")
}

// by names the person in what they begin.
func (q *request) by() string { return q.session.Subject() }

// path is an address below the instance.
func (q *request) path(rest string) string { return "/i/" + q.Name + "/" + rest }

// to answers a change: the browser goes on with GET.
func (q *request) to(rest string) {
	http.Redirect(q.w, q.r, q.path(rest), http.StatusSeeOther)
}

// show draws a page.
func (q *request) show(status int, name, nav, title string, data any) {
	q.page.Title, q.page.Nav, q.page.Data = title, nav, data
	q.h.render(q.w, status, name, q.page)
}

// refused says that the role does not allow it.
func (q *request) refused(err error) {
	q.page.Problem = &problem{Title: "Your role does not allow this", Cause: plainly(err), Remedy: "Ask an owner to do it, or for another role.", Unchanged: true}
	q.show(http.StatusForbidden, "message", "", q.page.Problem.Title, nil)
}

// failed shows why something could not be begun, on a page of its own.
func (q *request) failed(err error) {
	q.page.Problem = problemOf(fault.As(err))
	status := max(fault.CodeOf(err).HTTPStatus(), http.StatusBadRequest)
	q.show(status, "message", "", q.page.Problem.Title, nil)
}

// later refuses what can be done in a moment. What was asked for with GET is asked for again.
func (q *request) later(title, cause string) {
	q.page.Problem = &problem{Title: title, Cause: cause, Remedy: "Try again in a moment.", Unchanged: q.r.Method == http.MethodPost}
	if q.r.Method == http.MethodGet {
		q.page.Refresh = 3
	}
	q.w.Header().Set("Retry-After", "3")
	q.show(http.StatusServiceUnavailable, "message", "", title, nil)
}

// plainly is an error in words, without a fault's code.
func plainly(err error) string {
	if f, ok := fault.Of(err); ok {
		return f.Message()
	}
	return err.Error()
}

// workflowLink leads to a run in the Temporal Web UI, or to all runs of the workflow.
func (h *handler) workflowLink(workflow, run string) string {
	if h.TemporalUI == "" {
		return ""
	}
	base := strings.TrimRight(h.TemporalUI, "/") + "/workflows"
	if run == "" {
		return base + "?query=" + url.QueryEscape("WorkflowId=\""+workflow+"\"")
	}
	return base + "/" + url.PathEscape(workflow) + "/" + url.PathEscape(run)
}

// backupRuns leads to the runs of backups.
func (q *request) backupRuns(run string) string {
	return q.h.workflowLink(flow.BackupWorkflowID(q.Name), run)
}

// render draws a page as a whole before any of it is sent.
func (h *handler) render(w http.ResponseWriter, status int, name string, p *page) {
	var out bytes.Buffer
	p.content = name
	if err := templates().ExecuteTemplate(&out, "layout", p); err != nil {
		h.Logger.Error("a page could not be drawn", "page", name, "error", err)
		http.Error(w, "the page could not be drawn", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the browser is gone
}
