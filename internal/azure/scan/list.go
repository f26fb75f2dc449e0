package scan

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// maxSmall bounds what is kept of members that are no elements: where the list goes on,
// and what a refusal says.
const maxSmall = 64 << 10

// List takes the answer of a list apart: an object with an array "value", or an array
// alone. An empty answer, null, and an object whose "value" is null or not there are
// lists of nothing, since servers differ in how they say so. It is used from one
// goroutine.
type List struct {
	s       scanner
	state   state
	valued  bool // there was a "value"
	strange string
	link    string
	linked  bool
	refusal []byte
}

type state int

const (
	atStart    state = iota
	inMembers        // of the envelope, behind its brace or a comma
	inElements       // of the array, behind its bracket or a comma
	bare             // the array has no envelope
	finished
)

// NewList starts reading an answer. Size is how many bytes it has, -1 when nobody said;
// limits are those of each element.
func NewList(r io.Reader, size int64, limits Limits) *List {
	s := scanner{r: r, mark: -1, left: size, limits: limits}
	s.buf = make([]byte, 0, bufferOf(size))
	return &List{s: s}
}

// bufferOf is the size of the first buffer: all of an ordinary answer.
func bufferOf(size int64) int {
	const most = 1 << 20
	if size < 0 {
		return bufferSize
	}
	return int(min(size, most)) + 1
}

// Next is the next element, io.EOF behind the last. Elements are slices of buffers that
// are not used again. Errors of the reader are returned as they are; others have one of
// this package's in their chain. Elements may be the beginning of an answer that turns
// out to be wrong at its end, which is then an error in place of io.EOF.
func (l *List) Next() ([]byte, error) {
	for {
		var err error
		switch l.state {
		case atStart:
			err = l.start()
		case inMembers:
			err = l.member()
		case inElements, bare:
			element, more, elementErr := l.element()
			if elementErr == nil && !more {
				continue
			}
			return element, elementErr
		case finished:
			return nil, io.EOF
		}
		if err != nil {
			return nil, err
		}
	}
}

// Link is where the list goes on, as the answer says, "" when it does not. It is known
// behind the last element.
func (l *List) Link() string { return l.link }

// Refusal is the member "error" of the answer, nil when there is none or it is null. It
// is known behind the last element.
func (l *List) Refusal() []byte { return l.refusal }

// start looks at what kind of answer it is.
func (l *List) start() error {
	if err := l.s.skipMark(); err != nil {
		return err
	}
	for l.s.pos == len(l.s.buf) || blank(l.s.buf[l.s.pos]) {
		if l.s.pos < len(l.s.buf) {
			l.s.pos++
		} else if err := l.s.fill(); err == io.EOF {
			l.state = finished // nothing at all
			return nil
		} else if err != nil {
			return err
		}
	}
	switch l.s.buf[l.s.pos] {
	case '{':
		l.s.pos++
		return l.opened('}', inMembers)
	case '[':
		l.s.pos++
		l.valued = true
		return l.opened(']', bare)
	case 'n':
		if err := l.s.literal("null"); err != nil {
			return err
		}
		return l.close()
	}
	if err := l.s.value(false); err != nil {
		return err
	}
	return fmt.Errorf("%w: it is a single value", ErrShape)
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// opened decides whether anything is between brackets.
func (l *List) opened(closing byte, next state) error {
	c, err := l.s.peek()
	if err != nil {
		return err
	}
	if c != closing {
		l.state = next
		return nil
	}
	l.s.pos++
	if next == inElements {
		return l.behind()
	}
	return l.close()
}

// member takes one member of the envelope.
func (l *List) member() error {
	l.s.mark = l.s.pos
	if c, err := l.s.peek(); err != nil {
		return err
	} else if c != '"' {
		return fmt.Errorf("%w: %q where a member's name begins", ErrSyntax, c)
	}
	from := l.s.pos - l.s.mark
	if err := l.s.text(); err != nil {
		return err
	}
	name := nameOf(l.s.buf[l.s.mark+from : l.s.pos])
	l.s.mark = -1
	if c, err := l.s.peek(); err != nil {
		return err
	} else if c != ':' {
		return fmt.Errorf("%w: %q where a member's value begins", ErrSyntax, c)
	}
	l.s.pos++
	c, err := l.s.peek()
	if err != nil {
		return err
	}
	switch {
	case name == "value" && l.valued:
		return fmt.Errorf("%w: %q", ErrTwice, name)
	case name == "value" && c == '[':
		l.valued = true
		l.s.pos++
		return l.opened(']', inElements)
	case name == "value":
		l.valued = true
		if c != 'n' {
			return fmt.Errorf("%w: its value is no array", ErrShape)
		}
		err = l.s.value(false)
	case strings.HasSuffix(strings.ToLower(name), "nextlink"):
		err = l.goesOn(name)
	case name == "error":
		err = l.refused()
	default:
		if !strings.HasPrefix(name, "@odata.") && name != "count" && l.strange == "" {
			l.strange = name
		}
		err = l.s.value(false)
	}
	if err != nil {
		return err
	}
	return l.behind()
}

// behind takes what follows a member of the envelope.
func (l *List) behind() error {
	c, err := l.s.peek()
	if err != nil {
		return err
	}
	l.s.pos++
	switch c {
	case ',':
		l.state = inMembers
		return nil
	case '}':
		return l.close()
	}
	return fmt.Errorf("%w: %q where an object goes on", ErrSyntax, c)
}

// goesOn takes the address of the next page.
func (l *List) goesOn(name string) error {
	quoted, err := l.small()
	if err != nil {
		return err
	}
	if string(quoted) == "null" {
		return nil
	}
	var link string
	if quoted[0] != '"' || json.Unmarshal(quoted, &link) != nil {
		return fmt.Errorf("%w: its %.40q is not a string", ErrShape, name)
	}
	if l.linked && link != l.link {
		return fmt.Errorf("%w: it goes on in two places", ErrTwice)
	}
	l.link, l.linked = link, true
	return nil
}

// refused takes what an error says.
func (l *List) refused() error {
	said, err := l.small()
	if err == nil && string(said) != "null" {
		l.refusal = said
	}
	return err
}

// small takes a value and keeps it.
func (l *List) small() ([]byte, error) {
	limits := l.s.limits
	l.s.limits.Bytes = min(maxSmall, limits.Bytes)
	defer func() { l.s.limits, l.s.mark = limits, -1 }()
	l.s.mark = l.s.pos
	if err := l.s.value(false); err != nil {
		return nil, err
	}
	return append([]byte(nil), l.s.buf[l.s.mark:l.s.pos]...), nil
}

// element takes an element and what follows it. It reports false when there was none
// left to take.
func (l *List) element() ([]byte, bool, error) {
	if _, err := l.s.peek(); err != nil {
		return nil, false, err
	}
	l.s.mark = l.s.pos
	if err := l.s.value(true); err != nil {
		return nil, false, err
	}
	element := l.s.buf[l.s.mark:l.s.pos:l.s.pos]
	l.s.mark, l.s.lent = -1, true
	c, err := l.s.peek()
	if err != nil {
		return nil, false, err
	}
	l.s.pos++
	switch {
	case c == ',':
		return element, true, nil
	case c != ']':
		return nil, false, fmt.Errorf("%w: %q where an array goes on", ErrSyntax, c)
	case l.state == bare:
		return element, true, l.close()
	}
	return element, true, l.behind()
}

// close makes sure that the answer is over and agrees with itself.
func (l *List) close() error {
	if err := l.s.end(); err != nil {
		return err
	}
	l.state = finished
	switch {
	case l.refusal != nil && l.valued:
		return fmt.Errorf("%w: it has both elements and an error", ErrShape)
	case l.refusal == nil && !l.valued && l.strange != "":
		return fmt.Errorf("%w: it has no value, and %.40q", ErrShape, l.strange)
	}
	return nil
}
