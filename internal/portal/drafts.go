package portal

import (
	"crypto/rand"
	"maps"
	"strings"
	"sync"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/portal/keyform"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
)

const (
	draftTimeout   = 8 * time.Hour // as long as a session can last
	passwordInMind = 15 * time.Minute
	maxDrafts      = 100
)

// draft is what a person has given so far, in several steps, and has not sent yet. It lives
// in memory only, and belongs to one person and one instance.
type draft struct {
	Path, Transport, Username string
	Recipients                []seal.Recipient
	Browser                   bool // the key was made in the browser
	Challenges                []draftChallenge
	Later                     bool // the key is to be proven later

	begun      string // the operation that it was handed over with, empty before
	sent       form   // what was handed over with it, where that is all in one form
	sentFrom   string // the form's name
	password   secret.String
	passwordAt time.Time
	touched    time.Time
}

// draftChallenge is a challenge to a key that is not in use yet. Of the answer, only the
// digest is kept.
type draftChallenge struct {
	seal.Asked
	proof seal.Proof
}

// Proven reports whether it was answered.
func (c draftChallenge) Proven() bool { return !c.proof.IsZero() }

// proofs are those of the keys that were proven.
func (d draft) proofs() []seal.Proof {
	var all []seal.Proof
	for _, c := range d.Challenges {
		if c.Proven() {
			all = append(all, c.proof)
		}
	}
	return all
}

// HasPassword reports whether a password was given.
func (d draft) HasPassword() bool { return !d.password.IsZero() }

// Proven reports whether every key was proven.
func (d draft) Proven() bool {
	for _, c := range d.Challenges {
		if !c.Proven() {
			return false
		}
	}
	return len(d.Challenges) > 0
}

// drafts holds them.
type drafts struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]draft
	// cleaning says that a timer runs, which takes passwords away when nobody comes back.
	cleaning bool
}

func newDrafts(now func() time.Time) *drafts { return &drafts{now: now, all: map[string]draft{}} }

func (d *drafts) get(key string) draft {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clean()
	return d.all[key]
}

// clean drops what is too old, and reports whether a password is left.
func (d *drafts) clean() bool {
	now, left := d.now(), false
	for other, draft := range d.all {
		if now.Sub(draft.touched) > draftTimeout {
			delete(d.all, other)
		} else if now.Sub(draft.passwordAt) > passwordInMind {
			draft.password = secret.String{}
			d.all[other] = draft
		} else {
			left = left || draft.HasPassword()
		}
	}
	return left
}

// cleanLater has passwords removed when their time is over, whether somebody comes or not.
func (d *drafts) cleanLater() {
	d.cleaning = true
	time.AfterFunc(passwordInMind/5, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.cleaning = d.clean(); d.cleaning {
			d.cleanLater()
		}
	})
}

func (d *drafts) put(key string, value draft) {
	d.mu.Lock()
	defer d.mu.Unlock()
	value.touched = d.now()
	d.clean()
	if _, known := d.all[key]; !known && len(d.all) >= maxDrafts {
		oldest := ""
		for other := range d.all {
			if oldest == "" || d.all[other].touched.Before(d.all[oldest].touched) {
				oldest = other
			}
		}
		delete(d.all, oldest)
	}
	d.all[key] = value
	if value.HasPassword() && !d.cleaning {
		d.cleanLater()
	}
}

func (d *drafts) drop(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.all, key)
}

// dropAll drops the drafts of a person, who has logged out.
func (d *drafts) dropAll(subject string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.all, func(key string, _ draft) bool { return strings.HasPrefix(key, subject+"\x00") })
}

// draftKey is whose draft it is, and of what.
func (q *request) draftKey(what string) string {
	return strings.Join([]string{q.session.Subject(), q.Name, what}, "\x00")
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

// challengeAll makes a challenge for each of the draft's keys.
func (d *draft) challengeAll(instance string) error {
	d.Challenges = nil
	for _, r := range d.Recipients {
		asked, err := seal.Ask(r, instance, rand.Reader)
		if err != nil {
			return err
		}
		asked.Text = strings.TrimSpace(asked.Text)
		d.Challenges = append(d.Challenges, draftChallenge{Asked: asked})
	}
	return nil
}

// answer takes an answer to one of the challenges.
func (d *draft) answer(text string) error {
	answer, err := seal.ParseAnswer(text)
	if err != nil {
		return err
	}
	for i, c := range d.Challenges {
		if proof, ok := c.Answered(answer); ok {
			d.Challenges = append([]draftChallenge{}, d.Challenges...)
			d.Challenges[i].proof = proof
			return nil
		}
	}
	return fault.Newf(fault.ProofRefused, "this is not the answer to a challenge on this page")
}
