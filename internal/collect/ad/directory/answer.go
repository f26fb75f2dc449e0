package directory

import (
	"errors"
	"strings"

	"infrabackup/internal/printable"

	"github.com/go-ldap/ldap/v3"
)

// maxDiagnostic bounds the text of a server that goes into an error.
const maxDiagnostic = 300

// maxReferral bounds the length of an LDAP URL that is looked at.
const maxReferral = 8 << 10

// maxReferrals bounds the places that one reference names: the servers of a domain.
const maxReferrals = 10_000

// Entry is an object as a server answered it (RFC 4511, 4.5.2). Values are slices
// of the message.
type Entry struct {
	DN         string
	Attributes []Attribute
}

// Attribute is one of an object, with the values that came.
type Attribute struct {
	Name   string
	Values [][]byte
}

// Values returns those of an attribute, nil when it is not there.
func (e *Entry) Values(name string) [][]byte {
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, name) {
			return a.Values
		}
	}
	return nil
}

// Raw returns the first value of an attribute, nil when there is none.
func (e *Entry) Raw(name string) []byte {
	if values := e.Values(name); len(values) > 0 {
		return values[0]
	}
	return nil
}

// Text is Raw as text.
func (e *Entry) Text(name string) string { return string(e.Raw(name)) }

// Texts returns all values of an attribute as text.
func (e *Entry) Texts(name string) []string {
	var out []string
	for _, value := range e.Values(name) {
		out = append(out, string(value))
	}
	return out
}

// parseEntry reads a SearchResultEntry.
func parseEntry(body []byte) (*Entry, error) {
	p := elements{body}
	dn, err := p.take(tagOctets)
	if err != nil {
		return nil, err
	}
	list, err := p.take(tagSequence)
	if err != nil {
		return nil, err
	}
	e := &Entry{DN: string(dn)}
	count := 0
	for attributes := (elements{list}); len(attributes.rest) > 0; {
		one, err := attributes.take(tagSequence)
		if err != nil {
			return nil, err
		}
		if len(e.Attributes) == maxEntryAttributes {
			return nil, malformed("an object has more than %d attributes", maxEntryAttributes)
		}
		a, err := parseAttribute(one, &count)
		if err != nil {
			return nil, err
		}
		e.Attributes = append(e.Attributes, a)
	}
	return e, nil
}

// parseAttribute reads a PartialAttribute and adds its values to count.
func parseAttribute(data []byte, count *int) (a Attribute, err error) {
	p := elements{data}
	name, err := p.take(tagOctets)
	if err != nil {
		return a, err
	}
	set, err := p.take(tagSet)
	if err != nil {
		return a, err
	}
	a.Name = string(name)
	n := 0
	for values := (elements{set}); len(values.rest) > 0; n++ {
		if _, err := values.take(tagOctets); err != nil {
			return a, err
		}
		if *count++; *count > maxElements {
			return a, malformed("an object has more than %d values", maxElements)
		}
	}
	a.Values = make([][]byte, 0, n)
	for values := (elements{set}); len(values.rest) > 0; {
		value, err := values.take(tagOctets)
		if err != nil {
			return a, err
		}
		a.Values = append(a.Values, value)
	}
	return a, nil
}

// parseResult reads an LDAPResult (RFC 4511, 4.1.9): nil for success, else an
// [ldap.Error] with the server's code and the beginning of its text.
func parseResult(body []byte) error {
	p := elements{body}
	code, err := p.integer(tagEnumerated)
	if err != nil {
		return err
	}
	if _, err := p.take(tagOctets); err != nil { // matchedDN
		return err
	}
	text, err := p.take(tagOctets)
	if err != nil {
		return err
	}
	switch {
	case code == ldap.LDAPResultSuccess:
		return nil
	case code < 0 || code >= ldap.ErrorNetwork:
		return malformed("the result code %d", code)
	}
	return &ldap.Error{ResultCode: uint16(code), Err: errors.New(printable.Plain(string(text), maxDiagnostic))}
}

// parseReference returns the first URL of a SearchResultReference, "" when it is
// too long to be looked at.
func parseReference(body []byte) (first string, err error) {
	p := elements{body}
	for n := 0; n == 0 || len(p.rest) > 0; n++ {
		url, err := p.take(tagOctets)
		if err != nil {
			return "", err
		}
		switch {
		case len(url) == 0 || n == maxReferrals:
			return "", malformed("an empty reference, or more than %d of them at once", maxReferrals)
		case n == 0 && len(url) <= maxReferral:
			first = string(url)
		}
	}
	return first, nil
}

// pagingCookie finds the cookie of the paging control (RFC 2696) among controls.
func pagingCookie(controls []byte) (cookie []byte, ok bool, err error) {
	for list := (elements{controls}); len(list.rest) > 0; {
		one, err := list.take(tagSequence)
		if err != nil {
			return nil, false, err
		}
		p := elements{one}
		oid, err := p.take(tagOctets)
		if err != nil {
			return nil, false, err
		}
		if string(oid) != ldap.ControlTypePaging {
			continue
		}
		tag, value, err := p.next()
		if err == nil && tag == tagBoolean {
			tag, value, err = p.next()
		}
		if err != nil {
			return nil, false, err
		}
		if tag != tagOctets {
			return nil, false, malformed("the paging control has no value")
		}
		p = elements{value}
		if value, err = p.take(tagSequence); err != nil {
			return nil, false, err
		}
		p = elements{value}
		if _, err := p.integer(tagInteger); err != nil {
			return nil, false, err
		}
		if cookie, err = p.take(tagOctets); err != nil {
			return nil, false, err
		}
		if len(cookie) > maxCookie {
			return nil, false, malformed("the cookie of a page has %d bytes, at most %d are possible", len(cookie), maxCookie)
		}
		return cookie, true, nil
	}
	return nil, false, nil
}
