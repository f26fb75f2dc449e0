package azure

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/compact"
	"infrabackup/internal/fault"
)

// Limits of one list.
const (
	MaxPages        = 100_000
	MaxListElements = 2_000_000 // of all pages: twice of what can be remembered of a stamp
	MaxPageElements = 400_000   // of one page, whose elements are told apart in any case
)

// Page is one answer of a list, or a part of a large one.
type Page struct {
	// Items are the elements, byte for byte as they stand in the answer. Each is one
	// JSON value within [scan.DefaultLimits].
	Items [][]byte
	// Date is the stamp's clock, zero when it did not say.
	Date time.Time
	// Number counts the answers of the list from 1; parts of one have the same.
	Number int
}

// Pages reads a list page by page. It is the one reader for lists of every kind. It is
// used from one goroutine.
type Pages struct {
	client *Client
	what   string
	next   string // address of the page to be read, or that is being read
	been   map[[sha256.Size]byte]bool
	number int
	count  int                                  // elements
	seed   maphash.Seed                         // of identities
	seen   compact.Table[compact.Sum, struct{}] // elements of earlier pages
	taken  int                                  // bytes of seen that are counted

	list *scan.List // of the page that is being read
	body *body      // of it, nil when it has to be asked for again
	date time.Time
	cut  bool // it was given up ahead of its turn
	progress
}

// progress is how far a page was read.
type progress struct {
	handed int           // elements that were given to the caller
	digest uint64        // of them
	fresh  bool          // one of them was on no earlier page
	named  []compact.Sum // their identities
}

// List starts reading a collection. Params may be nil. Nothing is sent before
// [Pages.Next].
func (c *Client) List(path, apiVersion string, params url.Values) *Pages {
	return &Pages{
		client: c, what: "list " + c.name + " " + brief(path), next: c.at(path, apiVersion, params),
		been: map[[sha256.Size]byte]bool{}, seed: maphash.MakeSeed(),
	}
}

// Number is how many pages were read, or begun.
func (p *Pages) Number() int { return p.number }

// More reports whether there is something left to read, as far as is known.
func (p *Pages) More() bool { return p.next != "" }

// Close gives up a list that was not read to its end. It may be called at any time.
func (p *Pages) Close() {
	if p.body != nil {
		p.body.close()
		p.body = nil
	}
	p.next = ""
}

// Next reads on, and returns io.EOF behind the last page. A page may have no elements.
// Of a large page it gives one part after the other, so that memory does not grow with
// it; ahead of its turn (see [Ahead]) a part may have no elements either.
//
// An answer is an object with an array "value", or an array alone. Nothing at all (204,
// an empty body, null), and a "value" that is null or missing, are an empty page. What
// has an error beside or in place of elements, members twice, or no list at all, has
// [ErrAnswer] in its chain. SOURCE_INCOMPLETE when the list leads back to where it was,
// or has a page whose elements were all on earlier pages, so that others are missing;
// SOURCE_INVALID when it leads to another host; SOURCE_CHANGING when a page is not the
// same when it has to be read again. Other errors are those of [Client.Get].
func (p *Pages) Next(ctx context.Context) (*Page, error) {
	if p.next == "" {
		return nil, io.EOF
	}
	if p.body != nil {
		page, err := p.goOn(ctx)
		if err == nil {
			err = p.weigh(ctx)
		}
		if err == nil || !passing(err) {
			return page, err
		}
	}
	if turn := turnOf(ctx); p.cut && turn != nil {
		select {
		case <-turn.came:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", p.what, ctx.Err())
		}
	}
	if p.handed == 0 {
		if err := p.begin(); err != nil {
			return nil, err
		}
	}
	if err := p.weigh(ctx); err != nil {
		return nil, err
	}
	var page *Page
	err := p.client.do(ctx, request{method: http.MethodGet, target: p.next, what: p.what}, func(r *reply) (err error) {
		page, err = p.read(r)
		return err
	})
	if err != nil && p.number > 1 && (errors.Is(err, ErrNotFound) || errors.Is(err, ErrRefused)) {
		// A page of a list that was there a moment ago: neither an empty collection nor one
		// that cannot be listed.
		return nil, fault.Newf(fault.SourceIncomplete, "%s: page %d is not there (%s)", p.what, p.number, errors.Unwrap(err))
	}
	if err != nil {
		return nil, err
	}
	return page, p.weigh(ctx)
}

// weigh counts what is remembered of earlier pages, which is forgotten behind the last.
func (p *Pages) weigh(ctx context.Context) error {
	if p.next == "" {
		p.seen = compact.Table[compact.Sum, struct{}]{}
	}
	now := p.seen.Bytes()
	err := memoryOf(ctx).Take(now - p.taken)
	if err == nil {
		p.taken = now
	}
	return err
}

// begin turns to another page.
func (p *Pages) begin() error {
	here := sha256.Sum256([]byte(p.next))
	switch {
	case p.number == MaxPages:
		return fault.Newf(fault.LimitExceeded, "%s: it has more than %d pages", p.what, MaxPages)
	case p.been[here] && p.list == nil:
		return fault.Newf(fault.SourceIncomplete, "%s: page %d leads back to an earlier page, so the rest cannot be read", p.what, p.number)
	case !p.been[here]:
		p.been[here] = true
		p.number++
	}
	return nil
}

// read reads the beginning of an answer.
func (p *Pages) read(r *reply) (*Page, error) {
	p.date = r.date()
	p.list = scan.NewList(r.body, r.size, scan.DefaultLimits)
	if err := p.skip(); err != nil {
		return nil, err
	}
	page, err := p.part(r.body)
	if err == nil && p.body != nil {
		r.body.kept = true
		r.body.rest()
	}
	return page, err
}

// skip passes over what was handed on already, when a page has to be read again.
func (p *Pages) skip() error {
	var digest uint64
	for range p.handed {
		element, err := p.list.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return p.failed(err)
		}
		if err != nil {
			break
		}
		digest = p.chain(digest, element)
	}
	if digest != p.digest {
		return fault.Newf(fault.SourceChanging, "%s: page %d was not the same when it was read again", p.what, p.number)
	}
	return nil
}

// chain adds an element to a digest of elements in their order.
func (p *Pages) chain(digest uint64, element []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	maphash.WriteComparable(&h, digest)
	_, _ = h.Write(element) // a hash never fails
	return h.Sum64()
}

// goOn reads another part of the answer. What fails in a way that may pass is
// SOURCE_UNREACHABLE or its like, and the page has to be asked for again.
func (p *Pages) goOn(ctx context.Context) (*Page, error) {
	b := p.body
	stop := b.goOn(ctx)
	defer stop()
	page, err := p.part(b)
	switch {
	case err == nil && p.body != nil:
		b.rest()
		return page, nil
	case err == nil:
		b.close()
		return page, nil
	}
	p.body = nil
	b.close()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", p.what, ctx.Err())
	}
	if b.ctx.Err() != nil { // who began to read it gave up, and this reader did not
		return nil, fault.New(fault.SourceUnreachable, p.what, errors.New("the connection was given up"))
	}
	return nil, err
}

// part reads elements until there are enough, and decides what comes behind the last.
func (p *Pages) part(b *body) (*Page, error) {
	page := &Page{Date: p.date, Number: p.number}
	size := 0
	now := p.progress
	for size < maxChunkBytes && len(page.Items) < maxChunkElements {
		element, err := p.list.Next()
		switch {
		case errors.Is(err, errAhead):
			p.cut = true
			p.keep(page, nil, now)
			return page, nil
		case errors.Is(err, io.EOF):
			before := p.progress
			p.keep(page, nil, now)
			if err := p.turnOver(); err != nil {
				p.progress, p.count = before, p.count-len(page.Items)
				return nil, err
			}
			return page, nil
		case err != nil:
			return nil, p.failed(err)
		case p.count+len(page.Items) == MaxListElements:
			return nil, fault.Newf(fault.LimitExceeded, "%s: it has more than %d elements", p.what, MaxListElements)
		case now.handed == MaxPageElements:
			return nil, fault.Newf(fault.LimitExceeded, "%s: page %d has more than %d elements", p.what, p.number, MaxPageElements)
		}
		size += len(element)
		id := p.identity(element)
		if _, ok := p.seen.Get(id); !ok {
			now.fresh = true
		}
		now.handed, now.digest, now.named = now.handed+1, p.chain(now.digest, element), append(now.named, id)
		page.Items = append(page.Items, element)
	}
	p.keep(page, b, now)
	return page, nil
}

// keep notes what is handed on, and the body of which there is more.
func (p *Pages) keep(page *Page, b *body, now progress) {
	p.count += len(page.Items)
	p.body, p.progress = b, now
}

// identity is what an element is called, as a hash.
func (p *Pages) identity(element []byte) compact.Sum {
	for _, member := range []string{"id", "kid", "name"} {
		if id := gjson.GetBytes(element, member); id.Type == gjson.String && id.Str != "" {
			return compact.Sum(maphash.String(p.seed, resourceid.Key(id.Str)))
		}
	}
	return compact.Sum(maphash.Bytes(p.seed, element))
}

// turnOver decides where the list goes on behind a page that was read to its end.
func (p *Pages) turnOver() error {
	if said := p.list.Refusal(); said != nil {
		return refusalFault(p.what, http.StatusOK, fmt.Appendf(nil, `{"error":%s}`, said))
	}
	if p.handed > 0 && !p.fresh {
		return fault.Newf(fault.SourceIncomplete, "%s: page %d repeats earlier ones, so others are missing", p.what, p.number)
	}
	next := ""
	if link := p.list.Link(); link != "" {
		var err error
		if next, err = p.follow(link); err != nil {
			return err
		}
		for _, id := range p.named { // a last page has nobody to be compared with
			p.seen.Put(id, struct{}{})
		}
	}
	p.next, p.list, p.cut, p.progress = next, nil, false, progress{}
	return nil
}

// failed classifies an error of reading elements.
func (p *Pages) failed(err error) error {
	if _, ok := fault.Of(err); ok {
		return err
	}
	return scanFault(p.what, err, p.handed)
}

// maxLink bounds the address of a page.
const maxLink = 32 << 10

// follow is the address of the next page. The token is not carried elsewhere.
func (p *Pages) follow(link string) (string, error) {
	here, err := url.Parse(p.next)
	if err != nil {
		return "", fault.New(fault.Internal, p.what, errors.New("its own address is malformed"))
	}
	u, err := url.Parse(link)
	if err != nil || len(link) > maxLink || strings.TrimSpace(link) == "" {
		return "", fault.New(fault.SourceInvalid, p.what, fmt.Errorf("%w: its nextLink is malformed", ErrAnswer))
	}
	u = here.ResolveReference(u)
	if u.Scheme != p.client.base.Scheme || !sameHost(u, p.client.base) || u.User != nil {
		return "", fault.Newf(fault.SourceInvalid, "%s: its nextLink leads to %.100q, which is not %s; it is not followed", p.what, u.Host, p.client.base.Host)
	}
	u.Host, u.Fragment, u.RawFragment, u.RawQuery = p.client.base.Host, "", "", sendable(u.RawQuery)
	return u.String(), nil
}
