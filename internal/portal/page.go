package portal

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"sync"
	"time"

	"infrabackup/internal/auth"
	"infrabackup/internal/board"
	"infrabackup/internal/fault"
	"infrabackup/internal/portal/pace"
	"infrabackup/internal/portal/restores"
)

//go:embed templates/*.html
var sources embed.FS

// templates are all pages. A page is the template of its name, inside "layout". They are
// read when the first page is asked for: commands that show none do not wait for it.
var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.Must(template.New("").Funcs(functions).ParseFS(sources, "templates/*.html")).ParseFS(restores.Templates, "*.html"))
})

// page is what a template gets.
type page struct {
	Title, Nav, Instance string
	Multi                bool // there are other instances
	Session              Session
	Now                  time.Time
	S                    *board.Snapshot      // nil where no instance is meant
	Rates                map[string]pace.Rate // by service
	Data                 any
	Form                 form
	Problem              *problem
	Notice               string
	Stream               string // query of the stream that keeps the page current, empty for none
	Refresh              int    // seconds after which a browser without script loads again, 0 for never
	Key                  bool   // the page makes keys

	content string
}

func (h *handler) page(title string, session Session) *page {
	return &page{Title: title, Session: session, Now: h.Now()}
}

// Content draws the page's own part.
func (p *page) Content() (template.HTML, error) { return p.part(p.content) }

// Live draws what the stream replaces.
func (p *page) Live() (template.HTML, error) { return p.part(p.content + "-live") }

func (p *page) part(name string) (template.HTML, error) {
	var out bytes.Buffer
	err := templates().ExecuteTemplate(&out, name, p)
	return template.HTML(out.String()), err //nolint:gosec // drawn by html/template
}

// Path is an address below the instance.
func (p *page) Path(rest string) string { return "/i/" + p.Instance + "/" + rest }

// short are the actions as templates name them.
var short = map[string]string{
	"backup": ActionBackup, "verify": ActionVerify, "cancel": ActionCancel, "preview": ActionPruneDryRun, "prune": ActionPrune,
	"prove": ActionProve, "acknowledge": ActionAcknowledge, "write": ActionWrite,
	"planRestore": ActionPlanRestore, "applyRestore": ActionApplyRestore, "cancelRestore": ActionCancelRestore,
}

// May reports whether the session is allowed to.
func (p *page) May(what string) bool {
	return p.Session != nil && p.Session.May(short[what]) == nil
}

// Away says why nothing can be begun now; empty when it can.
func (p *page) Away() string {
	if p.S != nil && p.S.Fault != nil && p.S.Fault.Code.Exit() == fault.ExitTemporal {
		return "Not possible now: " + sentence(p.S.Fault.Message()) + " Try again when the banner above is gone."
	}
	return ""
}

// Stale says why what the page shows may be old; nil when it is not.
func (p *page) Stale() *problem {
	if p.S == nil || p.S.Fault == nil {
		return nil
	}
	return problemOf(p.S.Fault)
}

// OpenAlerts counts those that were not acknowledged.
func (p *page) OpenAlerts() int64 {
	var n int64
	if p.S != nil {
		for _, a := range p.S.Alerts {
			if a.AcknowledgedAt.IsZero() {
				n++
			}
		}
	}
	return n
}

// Answer is the first line.
func (p *page) Answer() answer { return answerOf(p.S, p.Now) }

// message is a page with a title and a sentence only.
func (h *handler) message(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	session, _ := h.Session(r)
	p := h.page(title, session)
	p.Problem = &problem{Title: title, Cause: text}
	h.render(w, status, "message", p)
}

// toLogin leads to the login, and back to a path then.
func (h *handler) toLogin(w http.ResponseWriter, r *http.Request, back string, again bool) {
	query := url.Values{"return": {back}}
	if again {
		query.Set("fresh", "1")
	}
	if r.Method == http.MethodPost {
		query.Set("kept", "1")
	}
	http.Redirect(w, r, "/login?"+query.Encode(), http.StatusSeeOther)
}

// loginErrors says what a refused login means.
var loginErrors = map[string]string{
	"AuthenticationFailed":       "The login was refused. Check the token, or log in again.",
	"ExpiredAuthenticationToken": "The token has expired. Ask an owner for a new one.",
	"AuthorizationFailed":        "You are known, and have no role here. Ask an owner for one.",
	"TooManyRequests":            "There were too many attempts. Wait a minute, then try again.",
	"AuthenticationUnavailable":  "Logins cannot be checked now. Try again in a minute.",
}

type loginData struct {
	Return, Issuer string
	Token          bool
	Error          string
	Fresh, Kept    bool
}

// loginPage asks for a login.
func (h *handler) loginPage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	data := loginData{Return: auth.LocalPath(query.Get("return")), Token: h.TokenLogin, Fresh: query.Get("fresh") == "1", Kept: query.Get("kept") == "1"}
	if h.IssuerLogin != "" {
		target := url.Values{"return": {data.Return}}
		if data.Fresh {
			target.Set("fresh", "1")
		}
		data.Issuer = h.IssuerLogin + "?" + target.Encode()
	}
	if code := query.Get("error"); code != "" {
		data.Error = loginErrors[code]
		if data.Error == "" {
			data.Error = loginErrors["AuthenticationFailed"]
		}
	}
	p := h.page("Log in", nil)
	p.Data = data
	h.render(w, http.StatusOK, "login", p)
}
