package quota

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
)

// How many questions a second pages may ask, those of one person and those of all.
const (
	PerSubject = 2  // of one person
	All        = 10 // of all
)

const (
	unknownFor  = 5 * time.Second // an ID that was not known is not asked for again
	runningFor  = time.Second     // what runs is the same for all who look at it
	verifiedFor = 5 * time.Second // the ID of a verification names the newest one of a backup
	maxAnswers  = 256
	maxSubjects = 1024
)

// ErrBusy says that too much was asked; it may be asked again in a moment.
var ErrBusy = errors.New("too many questions about operations")

// Operations answers which operation an ID is, and asks no more often than it may.
type Operations struct {
	now        func() time.Time
	perSubject int

	mu       sync.Mutex
	all      *rate.Limiter
	subjects map[string]*rate.Limiter
	answers  map[string]answer
}

// answer is what was answered last.
type answer struct {
	operation control.Operation
	err       error
	at        time.Time
	until     time.Time // zero for one that is final
}

// NewOperations returns one that asks perSubject questions a second for one person and five
// times as many for all; [PerSubject] and [All] when it is zero.
func NewOperations(now func() time.Time, perSubject int) *Operations {
	all := 5 * perSubject
	if perSubject <= 0 {
		perSubject, all = PerSubject, All
	}
	return &Operations{
		now: now, perSubject: perSubject, all: rate.NewLimiter(rate.Limit(all), all),
		subjects: map[string]*rate.Limiter{}, answers: map[string]answer{},
	}
}

// Get returns the operation of an instance that has an ID. It asks when no answer that counts
// is known; a question that is one too many is [ErrBusy].
func (o *Operations) Get(ctx context.Context, instance, id, subject string, ask func(ctx context.Context, id string) (control.Operation, error)) (control.Operation, error) {
	key := instance + "\x00" + id
	known, found, allowed := o.look(key, subject)
	if found {
		return known.operation, known.err
	}
	if !allowed {
		return control.Operation{}, ErrBusy
	}
	operation, err := ask(ctx, id)
	o.learn(key, operation, err)
	return operation, err
}

// look finds an answer that counts, or whether one may be asked for.
func (o *Operations) look(key, subject string) (known answer, found, allowed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if known, found = o.answers[key]; found {
		if known.until.IsZero() || now.Before(known.until) {
			return known, true, true
		}
		delete(o.answers, key)
	}
	mine := o.subjects[subject]
	if mine == nil {
		o.forget(now)
		mine = rate.NewLimiter(rate.Limit(o.perSubject), o.perSubject)
		o.subjects[subject] = mine
	}
	return answer{}, false, mine.AllowN(now, 1) && o.all.AllowN(now, 1)
}

// forget makes room for a subject: those who have not asked for a second lose nothing.
func (o *Operations) forget(now time.Time) {
	if len(o.subjects) < maxSubjects {
		return
	}
	for subject, limiter := range o.subjects {
		if limiter.TokensAt(now) >= float64(o.perSubject) {
			delete(o.subjects, subject)
		}
	}
	if len(o.subjects) >= maxSubjects {
		clear(o.subjects) // what is asked in all stays bounded
	}
}

// Forget drops what is known of an operation, which was begun again.
func (o *Operations) Forget(instance, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.answers, instance+"\x00"+id)
}

// learn keeps an answer. A question that failed says nothing about the operation.
func (o *Operations) learn(key string, operation control.Operation, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	next := answer{operation: operation, err: err, at: now}
	switch {
	case err != nil && fault.CodeOf(err) == fault.BackupNotFound:
		next.until = now.Add(unknownFor)
	case err != nil:
		return
	case operation.Running:
		next.until = now.Add(runningFor)
	case operation.Kind == control.OperationVerify:
		next.until = now.Add(verifiedFor)
	}
	if len(o.answers) >= maxAnswers {
		oldest := ""
		for other := range o.answers {
			if oldest == "" || o.answers[other].at.Before(o.answers[oldest].at) {
				oldest = other
			}
		}
		delete(o.answers, oldest)
	}
	o.answers[key] = next
}
