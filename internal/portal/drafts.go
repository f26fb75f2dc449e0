package portal

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"infrabackup/internal/fault"
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
	password   secret.String
	passwordAt time.Time
	touched    time.Time
}

// draftChallenge is a challenge to a key that is not in use yet. Of the answer, only the
// digest is kept.
type draftChallenge struct {
	Fingerprint, Kind, Text string
	Proven                  bool
	digest                  string
}

// HasPassword reports whether a password was given.
func (d draft) HasPassword() bool { return !d.password.IsZero() }

// Proven reports whether every key was proven.
func (d draft) Proven() bool {
	for _, c := range d.Challenges {
		if !c.Proven {
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
	if data, given := q.file("certificate"); given {
		r, err := seal.LoadRecipient(data, q.h.Now())
		if err != nil {
			form.Errors = append(form.Errors, fieldError{Field: "certificate", Message: sentence(fault.As(err).Message()), Remedy: remedyOf(fault.As(err))})
			return nil
		}
		return []seal.Recipient{r}
	}
	var all []seal.Recipient
	seen := map[string]bool{}
	for line := range strings.Lines(q.r.PostForm.Get("recipients")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r, err := seal.ParseRecipient(line)
		if err != nil {
			if strings.Contains(strings.ToUpper(line), "SECRET-KEY") || strings.Contains(line, "PRIVATE KEY") {
				form.Values["recipients"] = "" // it must not come back in a page
			}
			form.refuse(err)
			return nil
		}
		if !seen[r.Fingerprint] {
			seen[r.Fingerprint] = true
			all = append(all, r)
		}
	}
	switch {
	case len(all) == 0:
		form.wrong("recipients", "No key is given. Paste a public key, choose a certificate, or create a key below.")
	case len(all) > settings.MaxRecipients:
		form.wrong("recipients", "At most 16 keys can be used at once.")
		all = nil
	}
	return all
}

// file reads a file of the form, which the form's size bounds.
func (q *request) file(name string) ([]byte, bool) {
	file, header, err := q.r.FormFile(name)
	if err != nil || header.Size == 0 {
		return nil, false
	}
	defer func() { _ = file.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(file, maxForm))
	return data, err == nil
}

// challengeAll makes a challenge for each of the draft's keys.
func (d *draft) challengeAll(instance string) error {
	d.Challenges = nil
	for _, r := range d.Recipients {
		text, answer, err := seal.NewChallenge(r, instance, rand.Reader)
		if err != nil {
			return err
		}
		d.Challenges = append(d.Challenges, draftChallenge{Fingerprint: r.Fingerprint, Kind: r.Kind, Text: string(bytes.TrimSpace(text)), digest: seal.DigestAnswer(answer)})
	}
	return nil
}

// answer takes an answer to one of the challenges.
func (d *draft) answer(text string) error {
	answer, err := seal.ParseAnswer(text)
	if err != nil {
		return err
	}
	digest := []byte(seal.DigestAnswer(answer))
	for i := range d.Challenges {
		if subtle.ConstantTimeCompare(digest, []byte(d.Challenges[i].digest)) == 1 {
			d.Challenges = append([]draftChallenge{}, d.Challenges...)
			d.Challenges[i].Proven = true
			return nil
		}
	}
	return fault.Newf(fault.ProofRefused, "this is not the answer to a challenge on this page")
}
