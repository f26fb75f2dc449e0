package azure

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/fault"
)

// MaxPages bounds one list.
const MaxPages = 100_000

// Page is one answer of a list.
type Page struct {
	// Items are the elements, byte for byte as they stand in the answer. They share
	// its memory.
	Items [][]byte
	// Date is the stamp's clock, zero when it did not say.
	Date time.Time
}

// Pages reads a list page by page. It is used from one goroutine.
type Pages struct {
	client *Client
	what   string
	next   string
	seen   map[[sha256.Size]byte]bool
	number int
}

// List starts reading a collection. Params may be nil. Nothing is sent before
// [Pages.Next].
func (c *Client) List(path, apiVersion string, params url.Values) *Pages {
	return &Pages{client: c, what: "list " + c.name + " " + path, next: c.at(path, apiVersion, params), seen: map[[sha256.Size]byte]bool{}}
}

// Number is how many pages were read.
func (p *Pages) Number() int { return p.number }

// More reports whether there is another page, as far as the last one said.
func (p *Pages) More() bool { return p.next != "" }

// Next reads the next page, and returns io.EOF behind the last. The answer must be an
// object with an array "value"; an array alone and a missing "nextLink" also do, since
// some providers have lists of one page. SOURCE_INCOMPLETE when the list leads back to
// where it was; SOURCE_INVALID when it leads to another host. Other errors are those
// of [Client.Get].
func (p *Pages) Next(ctx context.Context) (*Page, error) {
	if p.next == "" {
		return nil, io.EOF
	}
	if p.number == MaxPages {
		return nil, fault.Newf(fault.LimitExceeded, "%s: it has more than %d pages", p.what, MaxPages)
	}
	here := sha256.Sum256([]byte(p.next))
	if p.seen[here] {
		return nil, fault.Newf(fault.SourceIncomplete, "%s: page %d leads back to an earlier page, so the rest cannot be read", p.what, p.number)
	}
	answer, err := p.client.send(ctx, p.client.pipeline, http.MethodGet, p.next, p.what)
	if err != nil {
		if p.number > 0 && errors.Is(err, ErrNotFound) {
			// A page of a list that was there a moment ago: not an empty collection.
			return nil, fault.New(fault.SourceIncomplete, p.what+": a later page is gone", errors.Unwrap(err))
		}
		return nil, err
	}
	p.seen[here] = true
	p.number++
	page := &Page{Date: answer.Date}
	list := gjson.ParseBytes(answer.Body)
	next := ""
	if list.IsObject() {
		if list, next, err = membersOf(list); err != nil {
			return nil, fault.New(fault.SourceInvalid, p.what, err)
		}
		if list.Exists() && list.Type == gjson.Null && next == "" {
			p.next = ""
			return page, nil // "value": null is how some providers say that there is nothing
		}
	}
	if !list.IsArray() {
		return nil, fault.Newf(fault.SourceInvalid, "%s: the answer has no list", p.what)
	}
	list.ForEach(func(_, element gjson.Result) bool {
		page.Items = append(page.Items, []byte(element.Raw))
		return true
	})
	if next != "" {
		if next, err = p.sameHost(next); err != nil {
			return nil, err
		}
	}
	p.next = next
	return page, nil
}

// membersOf finds the list in an answer, and where it goes on. Most providers call
// that nextLink, some @odata.nextLink, and not all agree about its case.
func membersOf(answer gjson.Result) (list gjson.Result, next string, err error) {
	answer.ForEach(func(name, value gjson.Result) bool {
		switch {
		case name.Str == "value":
			list = value
		case strings.HasSuffix(strings.ToLower(name.Str), "nextlink") && value.Type != gjson.Null:
			if value.Type != gjson.String {
				err = fmt.Errorf("its %.40q is not a string", name.Str)
			} else if next != "" && value.Str != next {
				err = errors.New("it goes on in two places")
			}
			next = value.Str
		}
		return err == nil
	})
	return list, next, err
}

// sameHost refuses to carry the token elsewhere.
func (p *Pages) sameHost(next string) (string, error) {
	u, err := url.Parse(next)
	if err != nil {
		return "", fault.Newf(fault.SourceInvalid, "%s: its nextLink is malformed", p.what)
	}
	u = p.client.base.ResolveReference(u)
	if u.Scheme != p.client.base.Scheme || !strings.EqualFold(u.Host, p.client.base.Host) || u.User != nil {
		return "", fault.Newf(fault.SourceInvalid, "%s: its nextLink leads to %.100q, which is not %s; it is not followed", p.what, u.Host, p.client.base.Host)
	}
	return u.String(), nil
}
