package draft

import (
	"crypto/rand"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	draftTimeout    = 8 * time.Hour // as long as a session can last
	passwordTimeout = 15 * time.Minute
	maxDrafts       = 100
	maxOfOne        = 16 // of one person
)

// Owner is whose drafts they are, of which instance, and of what.
type Owner struct{ Subject, Instance, What string }

// Store holds drafts. It may be used concurrently.
type Store struct {
	now     func() time.Time
	handing singleflight.Group

	mu      sync.Mutex
	all     map[key]Draft
	changes int64 // of drafts so far
	// cleaning says that a timer runs, which takes passwords away when nobody comes back.
	cleaning bool
}

type key struct {
	Owner
	id string
}

// NewStore makes an empty store.
func NewStore(now func() time.Time) *Store { return &Store{now: now, all: map[key]Draft{}} }

// ErrChanged says that a draft was changed, such as in another window, after the step that was
// sent had been drawn.
var ErrChanged = &fault.Fault{
	Code: fault.SettingsChanged, What: "this form was changed after it was shown here, such as in another window",
	Advice: "Look at it as it is now, and send it again.",
}

// Get returns the draft of a name as it is now; a new one when there is none of that name.
func (s *Store) Get(of Owner, name string) Draft {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clean()
	id, _, _ := parse(name)
	return s.all[key{of, id}]
}

// Newest returns the draft that was changed last; a new one when there is none.
func (s *Store) Newest(of Owner) Draft {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clean()
	var newest Draft
	for k, d := range s.all {
		if k.Owner == of && (newest.id == "" || d.order > newest.order) {
			newest = d
		}
	}
	return newest
}

// OfOperation returns the draft that an operation was begun with, false when there is none.
func (s *Store) OfOperation(of Owner, operation string) (Draft, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clean()
	for k, d := range s.all {
		if k.Owner == of && operation != "" && d.Begun == operation {
			return d, true
		}
	}
	return Draft{}, false
}

// Changed returns [ErrChanged] when the draft of a name is at another version than that one.
func (s *Store) Changed(of Owner, name string) error {
	id, version, any := parse(name)
	if now := s.Get(of, name); id != "" && !any && now.id != "" && now.version != version {
		return ErrChanged
	}
	return nil
}

// Keep keeps a draft as it was changed, and returns it with its name. [ErrChanged] when another
// change of it was kept after it was got.
func (s *Store) Keep(of Owner, d Draft) (Draft, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clean()
	if d.id == "" {
		d.id = rand.Text()
	}
	before, known := s.all[key{of, d.id}]
	if known && before.version != d.version {
		return before, ErrChanged
	}
	if !known {
		s.makePlace(of.Subject)
	}
	d = s.touch(key{of, d.id}, d)
	if d.HasPassword() && !s.cleaning {
		s.cleanLater()
	}
	return d, nil
}

// touch keeps a draft as one that was changed now.
func (s *Store) touch(k key, d Draft) Draft {
	s.changes++
	d.version++
	d.touched, d.order = s.now(), s.changes
	s.all[k] = d
	return d
}

// makePlace drops the oldest draft of a person who has many, or of all when there are too many.
func (s *Store) makePlace(subject string) {
	mine := 0
	for k := range s.all {
		if k.Subject == subject {
			mine++
		}
	}
	if mine < maxOfOne && len(s.all) < maxDrafts {
		return
	}
	var oldest key
	for k := range s.all {
		if mine >= maxOfOne && k.Subject != subject {
			continue
		}
		if oldest.id == "" || s.all[k].order < s.all[oldest].order {
			oldest = k
		}
	}
	delete(s.all, oldest)
}

// HandOver begins what a draft was made for, once: who sends it a second time waits for the first,
// and gets the same operation, also later. The password is forgotten then; after a failure of the
// operation it is given again.
func (s *Store) HandOver(of Owner, d Draft, begin func(Draft) (operation string, err error)) (string, error) {
	k := key{of, d.id}
	operation, err, _ := s.handing.Do(of.Subject+"\x00"+of.Instance+"\x00"+of.What+"\x00"+d.id, func() (any, error) {
		s.mu.Lock()
		now, known := s.all[k]
		s.mu.Unlock()
		switch {
		case !known:
			now = d
		case now.Begun != "":
			return now.Begun, nil
		case now.version != d.version:
			return "", ErrChanged
		}
		begun, err := begin(now)
		if err != nil {
			return "", err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if now, known := s.all[k]; known {
			now.Begun, now.password = begun, secret.String{}
			s.touch(k, now)
		}
		return begun, nil
	})
	if err != nil {
		return "", err
	}
	return operation.(string), nil
}

// Drop forgets a draft.
func (s *Store) Drop(of Owner, d Draft) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, key{of, d.id})
}

// DropAll forgets the drafts of a person, who has logged out.
func (s *Store) DropAll(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.all, func(k key, _ Draft) bool { return k.Subject == subject })
}

// clean drops what is too old, and reports whether a password is left.
func (s *Store) clean() bool {
	now, left := s.now(), false
	for k, d := range s.all {
		switch {
		case now.Sub(d.touched) > draftTimeout:
			delete(s.all, k)
		case now.Sub(d.passwordAt) > passwordTimeout:
			d.password = secret.String{}
			s.all[k] = d
		default:
			left = left || d.HasPassword()
		}
	}
	return left
}

// cleanLater has passwords removed when their time is over, whether somebody comes or not.
func (s *Store) cleanLater() {
	s.cleaning = true
	time.AfterFunc(passwordTimeout/5, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.cleaning = s.clean(); s.cleaning {
			s.cleanLater()
		}
	})
}
