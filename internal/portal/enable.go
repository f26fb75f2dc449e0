package portal

import (
	"net/http"
	"net/url"
	"slices"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/portal/draft"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// step is one of the guided form's.
type step struct {
	Name, Title string
	Done, Now   bool
}

var enableTitles = []struct{ name, title string }{
	{"share", "Share"}, {"account", "Account"}, {"key", "Key"}, {"proof", "Proof"}, {"check", "Check"},
}

type enableData struct {
	Steps []step
	At    int
	Draft draft.Draft
}

// open is the first step of a draft that was not done.
func open(d draft.Draft) string {
	for _, s := range enableTitles {
		if !d.Complete(s.name) {
			return s.name
		}
	}
	return "check"
}

// enablePage leads to where the person was.
func (q *request) enablePage() {
	if q.enableReady() {
		d := q.draft(draftEnable)
		q.to("enable/" + open(d) + draftQuery(d))
	}
}

// enableReady answers where the form would be refused.
func (q *request) enableReady() bool {
	switch {
	case unread(q.snap):
		q.later("Not read yet", "It is not known so far whether backups are enabled.")
	case q.snap.Enabled:
		q.failed(fault.Newf(fault.AlreadyEnabled, "backups are enabled for instance %s already", q.Name))
	case q.session.May(ActionWrite) != nil:
		q.refused(q.session.May(ActionWrite))
	default:
		return true
	}
	return false
}

func (q *request) enableStep() {
	name := q.r.PathValue("step")
	if !q.enableReady() || (begins(name) && !q.ensureFresh()) {
		return
	}
	d := q.draft(draftEnable)
	if !knownStep(name) {
		q.h.message(q.w, q.r, http.StatusNotFound, "There is no such step", "Begin again with the share.")
		return
	}
	if name == "check" && open(d) != "check" || name == "proof" && len(d.Recipients) == 0 {
		q.to("enable/" + open(d) + draftQuery(d))
		return
	}
	transport := d.Transport
	if transport == "" {
		transport = string(share.Encrypted)
	}
	q.fill(map[string]string{"path": d.Path, "transport": transport, "username": d.Username, "recipients": recipientLines(d)})
	q.refusedAfter(d)
	q.showStep(http.StatusOK, name, d)
}

func recipientLines(d draft.Draft) string {
	lines := ""
	for _, r := range d.Recipients {
		lines += r.Text + "\n"
	}
	return lines
}

func knownStep(name string) bool {
	for _, s := range enableTitles {
		if s.name == name {
			return true
		}
	}
	return false
}

func (q *request) showStep(status int, name string, d draft.Draft) {
	data := enableData{Draft: d}
	title := ""
	for i, s := range enableTitles {
		now := s.name == name
		if now {
			data.At, title = i+1, s.title
		}
		data.Steps = append(data.Steps, step{Name: s.name, Title: s.title, Done: d.Complete(s.name), Now: now})
	}
	q.page.Key = name == "key"
	q.show(status, "enable-"+name, "overview", "Enable backups: "+title, data)
}

// enableSubmit takes one step. Nothing is begun before the last one.
func (q *request) enableSubmit() {
	name, d := q.r.PathValue("step"), q.draft(draftEnable)
	if name == "check" && d.Begun != "" && q.session.May(ActionWrite) == nil { // a second click leads to what the first has begun
		q.to("operations/" + url.PathEscape(d.Begun))
		return
	}
	if !q.enableReady() {
		return
	}
	d.Begun = ""
	next := ""
	switch name {
	case "share":
		q.typed("path", "transport")
		q.checkShare()
		d.Path, d.Transport = q.page.Form.Value("path"), q.page.Form.Value("transport")
		next = "account"
	case "account":
		q.typed("username")
		password := secret.New(q.r.PostForm.Get("password"))
		q.checkAccount(password, d.HasPassword())
		d.Username = q.page.Form.Value("username")
		if !password.IsZero() {
			d.GivePassword(password, q.h.Now())
		}
		next = "key"
	case "key":
		q.typed("recipients", "source")
		q.takeKey(&d)
		next = "proof"
	case "proof":
		next = q.takeProof(&d, "check")
	case "check":
		q.enable(d)
		return
	default:
		q.h.message(q.w, q.r, http.StatusNotFound, "There is no such step", "Begin again with the share.")
		return
	}
	if d.Complete("proof") && open(d) == "check" {
		next = "check" // one step was corrected
	}
	q.changedMeanwhile(draftEnable)
	if len(q.page.Form.Errors) == 0 && q.keep(draftEnable, d, "enable/"+next) {
		return
	}
	q.showStep(http.StatusUnprocessableEntity, name, q.draft(draftEnable))
}

// checkShare looks at what can be seen of a path without asking a server.
func (q *request) checkShare() {
	form := &q.page.Form
	if form.Value("path") == "" {
		form.wrong("path", `Give the path of the share, such as \\fs.example.com\AzSBackups.`)
	} else if _, err := share.ParseUNC(form.Value("path")); err != nil {
		form.refuse(err)
	}
	if t := share.Transport(form.Value("transport")); t != share.Encrypted && t != share.Signed {
		form.wrong("transport", "Choose how data is protected on its way to the share.")
	}
}

func (q *request) checkAccount(password secret.String, had bool) {
	form := &q.page.Form
	switch name := form.Value("username"); {
	case name == "":
		form.wrong("username", `Give the account's name, such as CORP\backup or backup@corp.example.com.`)
	case len(name) > settings.MaxUsername:
		form.wrong("username", "The name of the account is too long.")
	}
	switch {
	case password.IsZero() && !had:
		form.wrong("password", "Give the account's password.")
	case len(password.Reveal()) > settings.MaxPassword:
		form.wrong("password", "The password is too long.")
	}
}

// takeKey puts keys into a draft, with challenges to them.
func (q *request) takeKey(d *draft.Draft) {
	all := q.recipients()
	if len(q.page.Form.Errors) > 0 {
		return
	}
	made := q.page.Form.Value("source") == "browser"
	if d.Proven() && slices.EqualFunc(all, d.Recipients, func(a, b seal.Recipient) bool { return a.Fingerprint == b.Fingerprint && a.Thumbprint == b.Thumbprint }) {
		return // what was proven stays so
	}
	d.Recipients, d.Browser, d.Later = all, made, false
	if err := d.ChallengeAll(q.Name); err != nil {
		q.page.Form.refuse(err)
	}
}

// takeProof takes an answer to a challenge, and returns the next step: proof again while
// there are keys that were not proven.
func (q *request) takeProof(d *draft.Draft, next string) string {
	q.typed()
	if q.r.PostForm.Get("later") != "" {
		if d.Browser {
			q.page.Form.wrong("answer", "A key that was just created has to be proven now: the downloaded file is the only copy of it.")
		}
		d.Later = true
		return next
	}
	if err := d.Answer(q.r.PostForm.Get("answer")); err != nil {
		q.page.Form.wrong("answer", plainly(err)+". Decrypt the challenge again, and paste its last line.")
		return "proof"
	}
	if !d.Proven() {
		return "proof"
	}
	return next
}

// enable begins the check of everything, which saves it when all of it works.
func (q *request) enable(d draft.Draft) {
	if step := open(d); step != "check" {
		q.to("enable/" + step + draftQuery(d))
		return
	}
	q.typed()
	q.changedMeanwhile(draftEnable)
	if len(q.page.Form.Errors) > 0 {
		q.showStep(http.StatusUnprocessableEntity, "check", d)
		return
	}
	operation, err := q.h.drafts.HandOver(q.owner(draftEnable), d, func(d draft.Draft) (string, error) {
		begun, err := q.Control.BeginChange(q.lasting, control.Wanted{
			First:    true,
			Share:    &settings.Share{Path: d.Path, Transport: share.Transport(d.Transport)},
			Username: d.Username, Password: d.Password(), Recipients: d.Recipients, Proofs: d.Proofs(), RequestedBy: q.by(), Instance: q.snap.Instance,
		})
		return begun.ID, err
	})
	if err != nil {
		q.page.Form.refuse(err)
		q.showStep(http.StatusUnprocessableEntity, "check", q.draft(draftEnable))
		return
	}
	q.to("operations/" + url.PathEscape(operation))
}

// ensureFresh sends a person whose login is too old for a dangerous form to log in again,
// before they type.
func (q *request) ensureFresh() bool {
	if q.session.Fresh() {
		return true
	}
	q.h.toLogin(q.w, q.r, q.r.URL.RequestURI(), true)
	return false
}
