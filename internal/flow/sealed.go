package flow

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
)

// Kind is a kind of member of the contract.
type Kind string

// The kinds. A heartbeat bears the name of its activity.
const (
	KindWorkflow  Kind = "workflow"
	KindActivity  Kind = "activity"
	KindQuery     Kind = "query"
	KindUpdate    Kind = "update"
	KindSignal    Kind = "signal"
	KindHeartbeat Kind = "heartbeat"
)

// way is the direction in which a payload goes.
type way string

const (
	input   way = "input"
	result  way = "result"
	failure way = "failure"
)

// stamp says which payload this is. It is sealed together with the payload; namespace,
// workflow ID and an activity's type are sealed beside it, by package temporal.
type stamp struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
	Way  way    `json:"way"`
	// Run is the run that a question was made for, or that gave an answer. What a run
	// asks of activities counts for the run that it was before any reset ([originalRun]).
	Run string `json:"run,omitempty"`
	// Nonce names a question, and Answers the question that an answer belongs to.
	Nonce   string `json:"nonce,omitempty"`
	Answers string `json:"answers,omitempty"`
	// After is the run that goes on as new with this input.
	After string `json:"after,omitempty"`
	// At is when an update was sent, by the sender's clock.
	At time.Time `json:"at,omitzero"`
}

// is reports whether both are of one member and direction.
func (s stamp) is(other stamp) bool {
	return s.Kind == other.Kind && s.Name == other.Name && s.Way == other.Way
}

// String names a payload in words.
func (s stamp) String() string { return fmt.Sprintf("the %s of %s %s", s.Way, s.Kind, s.Name) }

// newNonce names a question.
func newNonce() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("draw a nonce: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// form is how a value arrived.
type form int

const (
	absent   form = iota // nothing arrived
	refused              // it must not be believed
	sealedAs             // with a stamp, for this place
	outdated             // without a place, in the process that converts what is so
	// unsealed is what a converter has decoded that seals nothing: that of the SDK's own
	// test environment. Package temporal dials with no such converter.
	unsealed
)

// sealed is a value of the contract on its way.
type sealed[T any] struct {
	body  T
	stamp stamp
	form  form
	err   error // of a form that is refused
}

var (
	_ codec.Letter   = sealed[struct{}]{}
	_ codec.Receiver = (*sealed[struct{}])(nil)
)

func seal[T any](body T, s stamp) sealed[T] { return sealed[T]{body: body, stamp: s, form: sealedAs} }

// Letter implements codec.Letter.
func (s sealed[T]) Letter() (string, any) {
	text, err := json.Marshal(s.stamp)
	if err != nil { // a year beyond 9999: nothing that the receiver takes
		return "malformed", s.body
	}
	return string(text), s.body
}

// Receive implements codec.Receiver.
func (s *sealed[T]) Receive(d codec.Delivery) {
	*s = sealed[T]{form: refused, err: d.Err}
	if d.Err != nil {
		return
	}
	if !d.Outdated {
		if err := json.Unmarshal([]byte(d.Stamp), &s.stamp); err != nil {
			s.err = fault.New(fault.PayloadRefused, "a payload bears a malformed stamp", err)
			return
		}
	}
	if err := d.Decode(&s.body); err != nil {
		s.err = fault.New(fault.Internal, "a payload cannot be decoded: is another version at work?", err)
		return
	}
	s.form = sealedAs
	if d.Outdated {
		s.form = outdated
	}
}

// MarshalJSON is for converters that know of no letters.
func (s sealed[T]) MarshalJSON() ([]byte, error) { return json.Marshal(s.body) }

// UnmarshalJSON is for converters that know of no letters.
func (s *sealed[T]) UnmarshalJSON(data []byte) error {
	s.form = unsealed
	return json.Unmarshal(data, &s.body)
}

// check returns why a value is not what was expected here, nil when it is.
func (s sealed[T]) check(want stamp) error {
	switch s.form {
	case unsealed, outdated:
		return nil
	case sealedAs:
		if s.stamp.is(want) {
			return nil
		}
		return fault.Newf(fault.PayloadRefused, "%s arrived as %s", s.stamp, want)
	case refused:
		f := fault.As(s.err)
		return fault.New(f.Code, want.String()+" is not believed", errors.New(f.Message()))
	}
	return fault.Newf(fault.PayloadRefused, "%s is missing", want)
}

// checkAnswer is check for the answer to a question.
func (s sealed[T]) checkAnswer(want stamp) error {
	err := s.check(want)
	if err == nil && s.form == sealedAs && s.stamp.Answers != want.Answers {
		return fault.Newf(fault.PayloadRefused, "%s belongs to another question", want)
	}
	return err
}

// ofRun makes sure that the run that was asked has answered: one that came of it by a
// reset takes what was made for it, and knows less.
func (s sealed[T]) ofRun(run string, want stamp) error {
	if s.form == sealedAs && s.stamp.Run != run {
		return fault.Newf(fault.PayloadRefused, "%s is that of run %s, and run %s was asked", want, s.stamp.Run, run)
	}
	return nil
}

// answerTo gives an answer the form of its question: what arrived unsealed is answered
// so.
func answerTo[In, Out any](question sealed[In], body Out, s stamp) any {
	if question.form == unsealed {
		return body
	}
	s.Answers = question.stamp.Nonce
	return seal(body, s)
}
