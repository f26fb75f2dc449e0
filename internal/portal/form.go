package portal

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"

	"infrabackup/internal/seal"
)

// form is what was typed, and what is wrong with it.
type form struct {
	Values map[string]string
	Errors []fieldError
	// Back says that the form came back after a login; what it held that is secret did not.
	Back bool
}

// fieldError is tied to a field by its name; without one it is about the form.
type fieldError struct {
	Field, Message, Remedy string
}

// Value is what was typed into a field.
func (f form) Value(name string) string { return f.Values[name] }

// Error is what is wrong with a field, empty when nothing is.
func (f form) Error(name string) string {
	for _, e := range f.Errors {
		if e.Field == name {
			return strings.TrimSpace(e.Message + " " + e.Remedy)
		}
	}
	return ""
}

func (f *form) wrong(field, message string) {
	f.Errors = append(f.Errors, fieldError{Field: field, Message: sentence(message)})
}

// kept are the fields that a form may hold over a login. No secret is among them.
var keptFields = []string{"path", "transport", "username", "recipients", "source", "enabled", "frequency", "retention", "keep", "seen", "code", "object", "note", "backup", "target", "items", "patterns", "policy", "service"}

const (
	keptCookie   = "__Host-ibk-form"
	keptTimeout  = 15 * time.Minute
	maxKept      = 64
	maxKeptBytes = 16 << 10
)

// keptForms holds what was typed when the session had ended, for the browser that typed it:
// a cookie without meaning names it, so that no link can fill in a form.
type keptForms struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]keptForm
}

type keptForm struct {
	path   string
	values map[string]string
	at     time.Time
}

func newKeptForms(now func() time.Time) *keptForms {
	return &keptForms{now: now, all: map[string]keptForm{}}
}

// keep holds a form that was sent without a session.
func (k *keptForms) keep(w http.ResponseWriter, r *http.Request, path string) {
	q := request{r: r}
	if q.parse() != nil {
		return // too large, or no form
	}
	path, _, _ = strings.Cut(path, "?") // whatever draft it is of
	kept, size := keptForm{path: path, values: map[string]string{}, at: k.now()}, 0
	for _, name := range keptFields {
		value := strings.Join(r.PostForm[name], "\n") // of boxes there are several
		if value != "" && (name != "recipients" || !seal.MayBeSecret(value)) {
			kept.values[name] = value
			size += len(value)
		}
	}
	if len(kept.values) == 0 || size > maxKeptBytes {
		return
	}
	id := drawName()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.all) >= maxKept {
		oldest := ""
		for other := range k.all {
			if oldest == "" || k.all[other].at.Before(k.all[oldest].at) {
				oldest = other
			}
		}
		delete(k.all, oldest)
	}
	k.all[id] = kept
	http.SetCookie(w, &http.Cookie{Name: keptCookie, Value: id, Path: "/", MaxAge: int(keptTimeout / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// take returns a form once, to the page that it is for.
func (k *keptForms) take(r *http.Request) (form, bool) {
	cookie, err := r.Cookie(keptCookie)
	if err != nil {
		return form{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	kept, ok := k.all[cookie.Value]
	if !ok || kept.path != r.URL.Path {
		return form{}, false
	}
	delete(k.all, cookie.Value)
	return form{Values: kept.values, Back: true}, k.now().Sub(kept.at) <= keptTimeout
}

// fill gives the page's form what came back after a login, or what is so now.
func (q *request) fill(now map[string]string) {
	if f, ok := q.h.kept.take(q.r); ok {
		q.page.Form = f
		return
	}
	q.page.Form = form{Values: now}
}

// typed takes the fields of the form that was sent. Secrets are no fields of a form.
func (q *request) typed(names ...string) {
	q.page.Form = form{Values: map[string]string{}}
	for _, name := range names {
		q.page.Form.Values[name] = strings.TrimSpace(q.r.PostForm.Get(name))
	}
}

// confirmed wants the instance's name typed, as dangerous changes do.
func (q *request) confirmed() {
	if strings.TrimSpace(q.r.PostForm.Get("confirm")) != q.Name {
		q.page.Form.wrong("confirm", "Type the name of the instance, "+q.Name+", to confirm this change.")
	}
}

func drawName() string {
	var drawn [24]byte
	_, _ = rand.Read(drawn[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(drawn[:])
}
