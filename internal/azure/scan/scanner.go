package scan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// scanner goes over JSON in a buffer that is filled as needed.
type scanner struct {
	r      io.Reader // nil when buf is all there is
	buf    []byte
	pos    int
	mark   int  // what is kept when the buffer is filled, -1 for nothing
	lent   bool // slices of buf were handed out: it is not written over
	ended  bool
	left   int64 // bytes that are still to come, -1 when nobody said
	limits Limits
	levels []uint64 // a bit for each open object or array: 1 for an object
}

// end makes sure that nothing follows but blanks.
func (s *scanner) end() error {
	for {
		for ; s.pos < len(s.buf); s.pos++ {
			switch s.buf[s.pos] {
			case ' ', '\t', '\r', '\n':
			default:
				return fmt.Errorf("%w: something follows it", ErrSyntax)
			}
		}
		if err := s.fill(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (s *scanner) open(depth int, object bool) error {
	if depth >= s.limits.Depth {
		return fmt.Errorf("%w: it has more than %d levels", ErrLimit, s.limits.Depth)
	}
	if depth>>6 == len(s.levels) {
		s.levels = append(s.levels, 0)
	}
	if object {
		s.levels[depth>>6] |= 1 << (depth & 63)
	} else {
		s.levels[depth>>6] &^= 1 << (depth & 63)
	}
	return nil
}

func (s *scanner) inObject(depth int) bool {
	return depth > 0 && s.levels[(depth-1)>>6]&(1<<((depth-1)&63)) != 0
}

// value takes one value. With watching, members of the value and of what it holds
// directly are looked at for some that stand there twice.
func (s *scanner) value(watching bool) error {
	depth, values := 0, 0
	var seen [2]uint32 // members of the two outermost objects
	for {
		c, err := s.peek()
		if err != nil {
			return err
		}
		if values++; values > s.limits.Values {
			return fmt.Errorf("%w: it has more than %d values", ErrLimit, s.limits.Values)
		}
		empty := false
		switch c {
		case '{', '[':
			s.pos++
			if err := s.open(depth, c == '{'); err != nil {
				return err
			}
			depth++
			if depth <= len(seen) {
				seen[depth-1] = 0
			}
			closing, err := s.peek()
			if err != nil {
				return err
			}
			if empty = closing == c+2; empty { // ASCII has } and ] two behind { and [
				s.pos++
				depth--
			}
		default:
			if err := s.scalar(c); err != nil {
				return err
			}
		}
		opened := (c == '{' || c == '[') && !empty
		if !opened { // behind a value: close what ends here
			for {
				if depth == 0 {
					return s.fits()
				}
				if c, err = s.peek(); err != nil {
					return err
				}
				s.pos++
				if c == ',' {
					break
				}
				if want := byte(']'); s.inObject(depth) {
					want = '}'
					if c != want {
						return fmt.Errorf("%w: %q where an object goes on", ErrSyntax, c)
					}
				} else if c != want {
					return fmt.Errorf("%w: %q where an array goes on", ErrSyntax, c)
				}
				depth--
			}
		}
		if s.inObject(depth) {
			var watch *uint32
			if watching && depth <= len(seen) {
				watch = &seen[depth-1]
			}
			if err := s.member(watch); err != nil {
				return err
			}
		}
	}
}

// fits checks the size of a document that ended within the buffer.
func (s *scanner) fits() error {
	if s.mark >= 0 && s.pos-s.mark > s.limits.Bytes {
		return fmt.Errorf("%w: one document in it has more than %d bytes", ErrLimit, s.limits.Bytes)
	}
	return nil
}

// decisive are the members on which programs decide, by their bits.
var decisive = map[string]uint32{
	"id": 1 << 0, "name": 1 << 1, "type": 1 << 2, "kid": 1 << 3, "value": 1 << 4, "error": 1 << 5, "properties": 1 << 6, "attributes": 1 << 7,
	"subscriptionId": 1 << 8, "namespace": 1 << 9, "resourceTypes": 1 << 10, "resourceType": 1 << 11, "apiVersions": 1 << 12, "state": 1 << 13,
	"vaultUri": 1 << 14, "enableSoftDelete": 1 << 15, "enabled": 1 << 16, "exp": 1 << 17, "nbf": 1 << 18, "managed": 1 << 19, "key": 1 << 20,
	"cer": 1 << 21, "changedTime": 1 << 22, "authentication": 1 << 23, "loginEndpoint": 1 << 24, "audiences": 1 << 25, "code": 1 << 26,
	"key_props": 1 << 27, "credentials": 1 << 28, "access_token": 1 << 29, "managedBy": 1 << 30, "location": 1 << 31,
}

// member takes the name of a member and the colon behind it.
func (s *scanner) member(seen *uint32) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != '"' {
		return fmt.Errorf("%w: %q where a member's name begins", ErrSyntax, c)
	}
	if seen == nil || s.mark < 0 {
		if err := s.text(); err != nil {
			return err
		}
	} else {
		from := s.pos - s.mark
		if err := s.text(); err != nil {
			return err
		}
		name := s.buf[s.mark+from : s.pos]
		if bit := decisive[string(name[1:len(name)-1])]; bit != 0 || bytes.IndexByte(name, '\\') >= 0 {
			plain := nameOf(name)
			if bit = decisive[plain]; *seen&bit != 0 {
				return fmt.Errorf("%w: %q", ErrTwice, plain)
			}
			*seen |= bit
		}
	}
	if c, err = s.peek(); err != nil {
		return err
	}
	if c != ':' {
		return fmt.Errorf("%w: %q where a member's value begins", ErrSyntax, c)
	}
	s.pos++
	return nil
}

// nameOf is the text of a short string, "" of a long one.
func nameOf(quoted []byte) (name string) {
	if len(quoted) > 1024 || json.Unmarshal(quoted, &name) != nil {
		return ""
	}
	return name
}

// scalar takes a value that begins with c and holds no others.
func (s *scanner) scalar(c byte) error {
	switch {
	case c == '"':
		return s.text()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number()
	}
	return fmt.Errorf("%w: %q where a value begins", ErrSyntax, c)
}

func (s *scanner) literal(want string) error {
	for i := range len(want) {
		c, err := s.next()
		if err != nil {
			return err
		}
		if c != want[i] {
			return fmt.Errorf("%w: a word that is not %s", ErrSyntax, want)
		}
	}
	return nil
}

// text takes a string.
func (s *scanner) text() error {
	s.pos++
	for {
		for s.pos < len(s.buf) {
			c := s.buf[s.pos]
			s.pos++
			switch {
			case c == '"':
				return nil
			case c == '\\':
				if err := s.escape(); err != nil {
					return err
				}
			case c < ' ':
				return fmt.Errorf("%w: a control character in a string", ErrSyntax)
			}
		}
		if err := s.more(); err != nil {
			return err
		}
	}
}

func (s *scanner) escape() error {
	c, err := s.next()
	if err != nil {
		return err
	}
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			c, err := s.next()
			if err != nil {
				return err
			}
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return fmt.Errorf("%w: a broken escape in a string", ErrSyntax)
			}
		}
		return nil
	}
	return fmt.Errorf("%w: an unknown escape in a string", ErrSyntax)
}

// number takes a number. What follows it is looked at by who comes next.
func (s *scanner) number() error {
	digits := func(least int) error {
		for n := 0; ; n++ {
			c, err := s.ahead()
			if err != nil {
				return err
			}
			if c < '0' || c > '9' {
				if n < least {
					return fmt.Errorf("%w: a broken number", ErrSyntax)
				}
				return nil
			}
			s.pos++
		}
	}
	if s.buf[s.pos] == '-' {
		s.pos++
	}
	c, err := s.ahead()
	if err != nil {
		return err
	}
	if c == '0' {
		s.pos++
	} else if err := digits(1); err != nil {
		return err
	}
	if c, err = s.ahead(); err == nil && c == '.' {
		s.pos++
		err = digits(1)
	}
	if err != nil {
		return err
	}
	if c, err = s.ahead(); err == nil && (c == 'e' || c == 'E') {
		s.pos++
		if c, err = s.ahead(); err == nil && (c == '+' || c == '-') {
			s.pos++
		}
		if err == nil {
			err = digits(1)
		}
	}
	return err
}
