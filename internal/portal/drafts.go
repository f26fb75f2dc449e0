package portal

import (
	"net/url"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/portal/draft"
	"infrabackup/internal/portal/keyform"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// The kinds of drafts.
const (
	draftEnable = "enable" // of the guided form
	draftKey    = "key"    // of a change of keys
	draftProof  = "proof"  // challenges to the current keys
	draftSent   = "sent"   // what a form of one step was sent with

	draftSchedule = "schedule" // of which only the plan is kept
)

// draftParameter is the name of a draft in the address of a step. One that is there and empty
// stands for a draft that is yet to be made.
const draftParameter = "draft"

// owner is whose draft it is, and of what.
func (q *request) owner(what string) draft.Owner {
	return draft.Owner{Subject: q.session.Subject(), Instance: q.Name, What: what}
}

// draft is the one that the address names, the newest of the person when it names none.
func (q *request) draft(what string) draft.Draft {
	query := q.r.URL.Query()
	if !query.Has(draftParameter) {
		return q.h.drafts.Newest(q.owner(what))
	}
	return q.h.drafts.Get(q.owner(what), query.Get(draftParameter))
}

// changedMeanwhile notes in the page's form when the draft is not as the step that was sent shows
// it.
func (q *request) changedMeanwhile(what string) {
	if err := q.h.drafts.Changed(q.owner(what), q.r.URL.Query().Get(draftParameter)); err != nil {
		q.page.Form.refuse(err)
	}
}

// keep keeps a draft, and leads to the next step of it. What is wrong is put into the page's form.
func (q *request) keep(what string, d draft.Draft, next string) bool {
	kept, err := q.h.drafts.Keep(q.owner(what), d)
	if err != nil {
		q.page.Form.refuse(err)
		return false
	}
	q.to(next + draftQuery(kept))
	return true
}

// draftQuery names a draft in an address.
func draftQuery(d draft.Draft) string {
	return "?" + url.Values{draftParameter: {d.Name()}}.Encode()
}

// recipients takes the keys from the form: a file, or lines of text. What is wrong is put
// into the page's form.
func (q *request) recipients() []seal.Recipient {
	form := &q.page.Form
	text := q.r.PostForm.Get("recipients")
	hidden := seal.MayBeSecret(text)
	if hidden {
		form.Values["recipients"] = "" // it must not come back in a page
	}
	all, field, err := keyform.Read(q.r, q.h.Now())
	switch {
	case err != nil:
		refused := fault.As(err)
		wrong := fieldError{Field: field, Message: sentence(refused.Message()), Remedy: remedyOf(refused)}
		if hidden {
			wrong.Remedy = strings.TrimSpace(wrong.Remedy + " What was pasted may be secret, so it is not shown again.")
		}
		form.Errors = append(form.Errors, wrong)
		return nil
	case len(all) == 0:
		form.wrong("recipients", "No key is given. Paste a public key, choose a certificate, or create a key below.")
	case len(all) > settings.MaxRecipients:
		form.wrong("recipients", "At most 16 keys can be used at once.")
		all = nil
	}
	return all
}
