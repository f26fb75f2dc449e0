package portal

import (
	"net/http"
	"net/url"
	"time"

	"infrabackup/internal/control"
	"infrabackup/internal/portal/draft"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// setBy is who set something, and when.
type setBy struct {
	At time.Time
	By string
}

// lastSet finds in the history who set what a kind of change is about.
func (q *request) lastSet(kinds ...settings.Kind) setBy {
	records := q.snap.History.Records
	for i := len(records) - 1; i >= 0; i-- {
		for _, kind := range append(kinds, settings.KindEnable, settings.KindAdopt) {
			if records[i].Kind == kind && records[i].Outcome == settings.Applied {
				return setBy{records[i].At, records[i].By}
			}
		}
	}
	return setBy{q.snap.Settings.ChangedAt, q.snap.Settings.ChangedBy}
}

type settingsData struct {
	Share, Account, Key setBy
	Left                int // backups that a change of the share leaves behind
	Draft               draft.Draft
	OldestEnds          time.Time // until when the newest backup of the current keys may be needed
}

func (q *request) settingsData() settingsData {
	d := settingsData{
		Share: q.lastSet(settings.KindShare), Account: q.lastSet(settings.KindCredentials, settings.KindShare), Key: q.lastSet(settings.KindKey),
	}
	for _, b := range q.snap.Backups {
		if b.Path != "" {
			d.Left++
		}
		if b.Restorable.After(d.OldestEnds) {
			d.OldestEnds = b.Restorable
		}
	}
	return d
}

// enabled leads to the guided form where nothing can be changed yet.
func (q *request) enabled() bool {
	if unread(q.snap) {
		q.later("Not read yet", "Nothing was read of this instance so far.")
		return false
	}
	if !q.snap.Enabled {
		q.to("")
		return false
	}
	return true
}

func (q *request) settings() {
	q.notice()
	if q.enabled() {
		q.show(http.StatusOK, "settings", "settings", "Settings", q.settingsData())
	}
}

// settingsForm shows one of the forms, to those whose role allows to send it.
func (q *request) settingsForm() {
	what := q.r.PathValue("what")
	action := map[string]string{"share": ActionWrite, "account": ActionWrite, "key": ActionWrite, "proof": ActionProve}[what]
	if action == "" {
		q.h.message(q.w, q.r, http.StatusNotFound, "There is no such page", "See the settings.")
		return
	}
	if !q.enabled() {
		return
	}
	if err := q.session.May(action); err != nil {
		q.refused(err)
		return
	}
	data := q.settingsData()
	if what == "proof" {
		q.notice()
		q.fill(map[string]string{})
		data.Draft = q.draft(draftProof)
		q.show(http.StatusOK, "settings-proof", "settings", "Prove the key", data)
		return
	}
	if what != "key" && !q.ensureFresh() {
		return
	}
	s := q.snap.Settings
	if what == "key" {
		data.Draft = q.draft(draftKey)
	}
	q.fill(map[string]string{"path": s.Share.Path, "transport": string(s.Share.Transport), "username": s.Username, "recipients": recipientLines(data.Draft)})
	if sent, known := q.h.drafts.OfOperation(q.owner(draftSent), q.r.URL.Query().Get(afterParameter)); known && sent.Form == what && q.refusedAfter(sent) {
		q.page.Form.Values = sent.Values
	}
	q.page.Key = what == "key"
	q.show(http.StatusOK, "settings-"+what, "settings", settingsTitles[what], data)
}

var settingsTitles = map[string]string{"share": "Change the share", "account": "Change the account", "key": "Change the key"}

// again shows a form with what is wrong with it.
func (q *request) again(what string) {
	data := q.settingsData()
	if q.page.Key = what == "key"; q.page.Key {
		data.Draft = q.draft(draftKey)
	}
	q.show(http.StatusUnprocessableEntity, "settings-"+what, "settings", settingsTitles[what], data)
}

func (q *request) changeShare() {
	if !q.enabled() {
		return
	}
	q.typed("path", "transport", "username")
	q.checkShare()
	password := secret.New(q.r.PostForm.Get("password"))
	if name := q.page.Form.Value("username"); name != "" && name != q.snap.Settings.Username && password.IsZero() {
		q.page.Form.wrong("password", "Give the password of the other account.")
	}
	q.confirmed()
	wanted := control.Wanted{
		Share:    &settings.Share{Path: q.page.Form.Value("path"), Transport: share.Transport(q.page.Form.Value("transport"))},
		Username: q.page.Form.Value("username"), Password: password, RequestedBy: q.by(),
	}
	q.begin(wanted, "share")
}

func (q *request) changeAccount() {
	if !q.enabled() {
		return
	}
	q.typed("username")
	password := secret.New(q.r.PostForm.Get("password"))
	q.checkAccount(password, false)
	q.begin(control.Wanted{Username: q.page.Form.Value("username"), Password: password, RequestedBy: q.by()}, "account")
}

// begin begins a change, or shows the form again with what is wrong.
func (q *request) begin(wanted control.Wanted, what string) {
	if len(q.page.Form.Errors) > 0 {
		q.again(what)
		return
	}
	begun, err := q.Control.BeginChange(q.lasting, wanted)
	switch {
	case err != nil:
		q.page.Form.refuse(err)
		q.again(what)
	case begun.Unchanged:
		q.to("settings?done=unchanged")
	default:
		sent := q.h.drafts.Newest(q.owner(draftSent))
		sent.Begun, sent.Form, sent.Values = begun.ID, what, q.page.Form.Values
		_, _ = q.h.drafts.Keep(q.owner(draftSent), sent) // else that of another window is kept, and this form is filled in again
		q.to("operations/" + url.PathEscape(begun.ID))
	}
}

// chooseKey takes new keys; nothing is begun before they were confirmed.
func (q *request) chooseKey() {
	if !q.enabled() {
		return
	}
	q.typed("recipients", "source")
	var d draft.Draft
	if q.r.URL.Query().Has(draftParameter) {
		d = q.draft(draftKey)
	}
	d.Begun = ""
	q.takeKey(&d)
	q.changedMeanwhile(draftKey)
	if len(q.page.Form.Errors) > 0 || !q.keep(draftKey, d, "settings/key/proof") {
		q.again("key")
	}
}

// keyStep shows the proof of new keys, and what will happen with them.
func (q *request) keyStep() {
	if !q.enabled() {
		return
	}
	if err := q.session.May(ActionWrite); err != nil {
		q.refused(err)
		return
	}
	d, name := q.draft(draftKey), q.r.PathValue("step")
	if !q.knownKeyStep() || (begins(name) && !q.ensureFresh()) {
		return
	}
	if !d.Complete("key") || (name != "proof" && !d.Complete("proof")) {
		q.to("settings/key")
		return
	}
	q.page.Form = form{}
	q.refusedAfter(d)
	q.showKeyStep(http.StatusOK, name, d)
}

// knownKeyStep answers where there is no such step.
func (q *request) knownKeyStep() bool {
	if name := q.r.PathValue("step"); name == "proof" || name == "confirm" {
		return true
	}
	q.h.message(q.w, q.r, http.StatusNotFound, "There is no such step", "Nothing was changed. Begin again with the new key.")
	return false
}

func (q *request) showKeyStep(status int, name string, d draft.Draft) {
	data := q.settingsData()
	data.Draft = d
	if name == "proof" {
		q.show(status, "settings-key-proof", "settings", "Change the key: proof", data)
		return
	}
	q.show(status, "settings-key-confirm", "settings", "Change the key: confirm", data)
}

func (q *request) keySubmit() {
	if !q.knownKeyStep() || !q.enabled() {
		return
	}
	d := q.draft(draftKey)
	switch {
	case !d.Complete("key"):
		q.to("settings/key")
		return
	case q.r.PathValue("step") == "proof":
		next := q.takeProof(&d, "confirm")
		q.changedMeanwhile(draftKey)
		if len(q.page.Form.Errors) > 0 || !q.keep(draftKey, d, "settings/key/"+next) {
			q.showKeyStep(http.StatusUnprocessableEntity, "proof", q.draft(draftKey))
		}
		return
	case !d.Complete("proof"):
		q.to("settings/key/proof" + draftQuery(d))
		return
	}
	q.typed()
	q.changedMeanwhile(draftKey)
	if len(q.page.Form.Errors) > 0 && d.Begun != "" { // a second click leads to what the first has begun
		q.to("operations/" + url.PathEscape(d.Begun))
		return
	}
	q.confirmed()
	if len(q.page.Form.Errors) == 0 {
		begun, err := q.Control.BeginChange(q.lasting, control.Wanted{Recipients: d.Recipients, Proofs: d.Proofs(), RequestedBy: q.by()})
		switch {
		case err != nil:
			q.page.Form.refuse(err)
		case begun.Unchanged:
			q.h.drafts.Drop(q.owner(draftKey), d)
			q.to("settings?done=unchanged")
			return
		default:
			d.Begun = begun.ID                           // what is refused can be sent again, without another proof
			_, _ = q.h.drafts.Keep(q.owner(draftKey), d) // else it was changed meanwhile, and is not what was sent
			q.to("operations/" + url.PathEscape(begun.ID))
			return
		}
	}
	q.showKeyStep(http.StatusUnprocessableEntity, "confirm", d)
}

// challenge asks for challenges to the current keys. They are kept for the page that comes
// next; only the holder of a key can read them.
func (q *request) challenge() {
	all, err := q.Control.Challenges(q.lasting, q.by())
	if err != nil {
		q.failed(err)
		return
	}
	var d draft.Draft
	for _, c := range all {
		d.Challenges = append(d.Challenges, draft.Challenge{Asked: seal.Asked{Challenge: c}})
	}
	if !q.keep(draftProof, d, "settings/proof") {
		q.failed(draft.ErrChanged)
	}
}

// prove takes the answer to a challenge.
func (q *request) prove() {
	answer, err := seal.ParseAnswer(q.r.PostForm.Get("answer"))
	if err == nil {
		_, err = q.Control.Prove(q.lasting, answer, q.by())
	}
	if err == nil {
		q.to("settings/proof?done=proven")
		return
	}
	q.typed()
	q.page.Form.wrong("answer", plainly(err)+". "+problemOf(faultOf(err)).Remedy)
	data := q.settingsData()
	data.Draft = q.draft(draftProof)
	q.show(http.StatusUnprocessableEntity, "settings-proof", "settings", "Prove the key", data)
}
