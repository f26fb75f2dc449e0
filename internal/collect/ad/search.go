package ad

import (
	"context"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/fault"
)

// maxEmptyPages is how many pages without an object may follow each other. A
// controller sends such pages when a filter matches little in the time it gives to
// one page.
const maxEmptyPages = 100

// search is one paged search.
type search struct {
	what       string // for texts
	base       string
	scope      int
	filter     string
	attributes []string
	controls   []ldap.Control // besides paging
	pageSize   int

	// entry is called for each object. Fresh says that this search did not give it
	// before; pages full of objects that are not fresh end the search, because a
	// server that repeats itself never ends.
	entry func(e *ldap.Entry) (fresh bool, err error)
	// referral, when not nil, is called for each place that the server refers to.
	referral func(url string)
	// page, when not nil, is called after each page, when other requests may be
	// made.
	page func() error
}

// run reads all pages and returns nil only when the last one proved to be the last.
//
// What the library reports as the end of a search is no proof: it says so as well
// when the connection is gone, the context has ended, or the paging control is
// missing from the answer. So each page must bring the control and leave the
// connection standing, and the last must bring an empty cookie (RFC 2696, 3).
func (l *connection) run(ctx context.Context, s search) error {
	var cookie []byte
	for empty := 0; ; {
		paging := ldap.NewControlPaging(uint32(s.pageSize))
		paging.SetCookie(cookie)
		page, err := l.readPage(ctx, s, paging)
		if err != nil {
			return err
		}
		if s.page != nil {
			if err := s.page(); err != nil {
				return err
			}
		}
		if len(page.cookie) == 0 {
			return nil
		}
		switch {
		case page.entries == 0:
			if empty++; empty == maxEmptyPages {
				return fault.Newf(fault.SourceIncomplete, "%s: %d pages without an object followed each other", s.what, empty)
			}
		case page.fresh == 0:
			return fault.New(fault.SourceIncomplete, s.what+": the server repeats its pages", nil)
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
func (l *connection) readPage(ctx context.Context, s search, paging *ldap.ControlPaging) (end pageEnd, err error) {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	release := l.bindTo(limited) // an end in mid-page leaves nothing to go on with
	defer release()
	silence := time.AfterFunc(l.stall, func() { cancel(errStalled) })
	defer silence.Stop()

	controls := s.controls
	if paging != nil {
		controls = append([]ldap.Control{paging}, controls...)
	}
	request := ldap.NewSearchRequest(s.base, s.scope, ldap.NeverDerefAliases, 0, 0, false, s.filter, s.attributes, controls)
	answers := l.ldap.SearchAsync(limited, request, 0)
	var last *ldap.ControlPaging
	for answers.Next() {
		silence.Stop()
		switch e := answers.Entry(); {
		case e != nil:
			end.entries++
			fresh, err := s.entry(e)
			if err != nil {
				return end, err
			}
			if fresh {
				end.fresh++
			}
		case answers.Referral() != "":
			if s.referral != nil {
				s.referral(answers.Referral())
			}
		default:
			if c, ok := ldap.FindControl(answers.Controls(), ldap.ControlTypePaging).(*ldap.ControlPaging); ok {
				last = c
			}
		}
		silence.Reset(l.stall)
	}
	if limited.Err() != nil && ctx.Err() == nil {
		return end, fault.New(fault.SourceUnreachable, s.what, context.Cause(limited))
	}
	switch err := answers.Err(); {
	case ctx.Err() != nil:
		return end, fmt.Errorf("%s: %w", s.what, ctx.Err())
	case err != nil:
		return end, explain(ctx, s.what, err)
	case l.ldap.IsClosing():
		return end, l.lost(s.what)
	case paging == nil:
		return end, nil
	case last == nil:
		return end, fault.New(fault.SourceIncomplete, s.what+": the answer has no paging control, so its end is not proved", nil)
	}
	end.cookie = last.Cookie
	return end, nil
}

// readObject reads one object by its name. It returns nil without an error when
// there is none that the account may see. One entry is all of the answer, so no
// paging is asked for, which controllers do not answer at their root.
func (l *connection) readObject(ctx context.Context, what, dn string, attributes []string, controls ...ldap.Control) (*ldap.Entry, error) {
	var found *ldap.Entry
	_, err := l.readPage(ctx, search{
		what: what, base: dn, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)",
		attributes: attributes, controls: controls,
		entry: func(e *ldap.Entry) (bool, error) {
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
