package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/fault"
)

// maxEmptyPages is how many pages without an object may follow each other. A
// controller sends such pages when a filter matches little in the time it gives to
// one page.
const maxEmptyPages = 100

// LongReference stands for a reference that is too long to be looked at.
const LongReference = "(a reference that is too long)"

// Search is one paged search.
type Search struct {
	What       string // for texts
	Base       string
	Scope      int
	Filter     string
	Attributes []string
	Controls   []ldap.Control // besides paging
	PageSize   int

	// Entry is called for each object. Fresh says that this search did not give it
	// before; pages full of objects that are not fresh end the search, because a
	// server that repeats itself never ends.
	Entry func(e *Entry) (fresh bool, err error)
	// Referral, when not nil, is called for each place that the server refers to.
	Referral func(url string) error
	// Page, when not nil, is called after each page, when other requests may be
	// made. Last says that no other page follows.
	Page func(last bool) error
}

// Run reads all pages and returns nil only when the last one proved to be the last.
//
// That a server ends its answer is no proof. So each page must bring the paging
// control, and the last must bring an empty cookie (RFC 2696, 3).
func (l *Conn) Run(ctx context.Context, s Search) error {
	var cookie []byte
	for empty := 0; ; {
		paging := ldap.NewControlPaging(uint32(s.PageSize))
		paging.SetCookie(cookie)
		page, err := l.readPage(ctx, s, paging)
		if err != nil {
			return err
		}
		if s.Page != nil {
			if err := s.Page(len(page.cookie) == 0); err != nil {
				return err
			}
		}
		if len(page.cookie) == 0 {
			return nil
		}
		switch {
		case page.entries == 0:
			if empty++; empty == maxEmptyPages {
				return fault.Newf(fault.SourceIncomplete, "%s: %d pages without an object followed each other", s.What, empty)
			}
		case page.fresh == 0:
			return fault.New(fault.SourceIncomplete, s.What+": the server repeats its pages", nil)
		default:
			empty = 0
		}
		cookie = page.cookie
	}
}

// pageEnd says how a page ended.
type pageEnd struct {
	cookie         []byte
	entries, fresh int
}

// readPage asks once. Without paging, what proves the answer is the caller's
// business.
func (l *Conn) readPage(ctx context.Context, s Search, paging *ldap.ControlPaging) (end pageEnd, err error) {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	release := l.bindTo(limited) // an end in mid-page leaves nothing to go on with
	defer release()
	silence := time.AfterFunc(l.stall, func() { cancel(errStalled) })
	defer silence.Stop()

	controls := s.Controls
	if paging != nil {
		controls = append([]ldap.Control{paging}, controls...)
	}
	end, err = l.ask(s, controls, silence, paging != nil)
	switch {
	case limited.Err() != nil && ctx.Err() == nil:
		return end, fault.New(fault.SourceUnreachable, s.What, context.Cause(limited))
	case ctx.Err() != nil:
		return end, fmt.Errorf("%s: %w", s.What, ctx.Err())
	}
	var refusal *consumerError
	if errors.As(err, &refusal) {
		return end, refusal.err
	}
	if err != nil {
		return end, explain(ctx, s.What, err)
	}
	return end, nil
}

// consumerError carries an error of a search's functions past the explanations of
// the server's.
type consumerError struct{ err error }

// Error implements error.
func (c *consumerError) Error() string { return c.err.Error() }

// ask sends the search and reads its answers up to the last. Silence runs while an
// answer is waited for.
func (l *Conn) ask(s Search, controls []ldap.Control, silence *time.Timer, paged bool) (end pageEnd, err error) {
	request, err := s.request()
	if err != nil {
		return end, err
	}
	if err := l.send(request, controls); err != nil {
		return end, err
	}
	var large func() error
	if l.Large != nil {
		large = func() error {
			silence.Stop() // it is not the controller that lets us wait
			defer silence.Reset(l.stall)
			return l.Large()
		}
	}
	for {
		m, err := l.receive(large)
		if err != nil {
			return end, err
		}
		silence.Stop()
		switch m.op {
		case tagEntry:
			e, err := parseEntry(m.body)
			if err != nil {
				return end, err
			}
			end.entries++
			fresh, err := s.Entry(e)
			if err != nil {
				return end, &consumerError{err}
			}
			if fresh {
				end.fresh++
			}
		case tagReference:
			url, err := parseReference(m.body)
			if err != nil {
				return end, err
			}
			if s.Referral != nil {
				if err := s.Referral(cmp.Or(url, LongReference)); err != nil {
					return end, &consumerError{err}
				}
			}
		case tagSearchDone:
			if err := parseResult(m.body); err != nil || !paged {
				return end, err
			}
			cookie, ok, err := pagingCookie(m.controls)
			if err == nil && !ok {
				err = errNoPaging
			}
			end.cookie = cookie
			return end, err
		default:
			return end, malformed("0x%02x as answer to a search", m.op)
		}
		silence.Reset(l.stall)
	}
}

var errNoPaging = errors.New("the answer has no paging control, so its end is not proved")

// request encodes a SearchRequest (RFC 4511, 4.5.1).
func (s Search) request() (*ber.Packet, error) {
	filter, err := ldap.CompileFilter(s.Filter)
	if err != nil {
		return nil, fault.New(fault.Internal, s.What, err)
	}
	number := func(tag ber.Tag, n int) *ber.Packet {
		return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, tag, n, "")
	}
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchRequest, nil, "")
	p.AppendChild(octetString(s.Base))
	p.AppendChild(number(ber.TagEnumerated, s.Scope))
	p.AppendChild(number(ber.TagEnumerated, ldap.NeverDerefAliases))
	p.AppendChild(number(ber.TagInteger, 0)) // no limit of ours on the number
	p.AppendChild(number(ber.TagInteger, 0)) // nor on the time
	p.AppendChild(ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, ""))
	p.AppendChild(filter)
	attributes := ber.NewSequence("")
	for _, a := range s.Attributes {
		attributes.AppendChild(octetString(a))
	}
	p.AppendChild(attributes)
	return p, nil
}

// ReadObject reads one object by its name. It returns nil without an error when
// there is none that the account may see. One entry is all of the answer, so no
// paging is asked for, which controllers do not answer at their root.
func (l *Conn) ReadObject(ctx context.Context, what, dn string, attributes []string, controls ...ldap.Control) (*Entry, error) {
	var found *Entry
	_, err := l.readPage(ctx, Search{
		What: what, Base: dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)",
		Attributes: attributes, Controls: controls,
		Entry: func(e *Entry) (bool, error) {
			if found != nil {
				return false, fault.New(fault.SourceInvalid, what+": two objects have one name", nil)
			}
			found = e
			return true, nil
		},
	}, nil)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, nil
	}
	return found, err
}
