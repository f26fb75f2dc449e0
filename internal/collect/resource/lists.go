package resource

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/collect/resource/manager"
	"infrabackup/internal/collect/resource/queue"
	"infrabackup/internal/fault"
)

// list is one collection to read.
type list struct {
	row          *Type
	manager      *manager.Manager
	subscription string // "" outside of subscriptions
	path         string
	version      string
	offered      bool   // the stamp says that it has the type
	parent       string // ID of the resource that it lies below, if any
	byID         bool   // the path is the ID of one document
	nowhere      bool   // there is nothing to read: the list at the path names no place
	again        bool   // it was refused before
}

// fetched is a list with its first page, or the error that came instead.
type fetched struct {
	list
	pages *azure.Pages // nil for a single document
	page  *azure.Page
	err   error
}

// inOrder reads the beginnings of lists, a few at once, and hands them on in order.
func (w *Walk) inOrder(ctx context.Context, lists iter.Seq2[list, error], use func(fetched) error) error {
	return queue.InOrder(ctx, lists, w.begin, use)
}

// begin reads the first page. What the stamp does not list among its offers is tried
// with one known api-version after the other, and with those that it names when it
// refuses.
func (w *Walk) begin(ctx context.Context, l list) fetched {
	if l.nowhere {
		return fetched{list: l}
	}
	first := w.beginWith(ctx, l)
	if l.offered || !errors.Is(first.err, azure.ErrVersionRefused) {
		return first
	}
	f := first
	err := manager.EachVersion(l.version, l.row.Versions, func(version string) error {
		if version != l.version {
			again := l
			again.version = version
			f = w.beginWith(ctx, again)
		}
		return f.err
	})
	if errors.Is(err, azure.ErrVersionRefused) {
		return first
	}
	return f
}

func (w *Walk) beginWith(ctx context.Context, l list) fetched {
	f := fetched{list: l}
	if l.row.Single {
		answer, err := w.single(ctx, l.manager, l.path, l.version, l.byID)
		if err != nil {
			f.err = err
			return f
		}
		f.page = &azure.Page{Items: [][]byte{answer.Body}, Date: answer.Date}
		return f
	}
	f.pages = l.manager.Client.List(l.path, l.version, nil)
	f.page, f.err = f.pages.Next(ctx)
	return f
}

// drain hands on page by page, reading the next one meanwhile.
func (f fetched) drain(ctx context.Context, use func(*azure.Page) error) error {
	if f.err != nil {
		return f.err
	}
	type result struct {
		page *azure.Page
		err  error
	}
	for page := f.page; ; {
		var next chan result
		ahead, turn := azure.Ahead(ctx)
		if f.pages != nil && f.pages.More() {
			next = make(chan result, 1)
			go func() {
				p, err := f.pages.Next(ahead)
				next <- result{p, err}
			}()
		}
		err := use(page)
		turn.Come()
		if next == nil {
			return err
		}
		r := <-next
		switch {
		case err != nil:
			return err
		case errors.Is(r.err, io.EOF):
			return nil
		case r.err != nil:
			return r.err
		}
		page = r.page
	}
}

// documents are the elements of a page with their IDs.
func (f fetched) documents(page *azure.Page) ([]Resource, error) {
	all := make([]Resource, 0, len(page.Items))
	for _, item := range page.Items {
		id := jsondoc.Text(item, "id")
		if id == "" {
			name := jsondoc.Member(gjson.ParseBytes(scan.Trim(item)), cmp.Or(f.row.Names, "name")).String()
			switch {
			case f.row.Single:
				id = f.path
			case name != "":
				id = f.path + "/" + name
			default:
				return nil, fault.Newf(fault.SourceInvalid, "list %s %s: an element has no id", f.manager.Client.Endpoint(), f.path)
			}
		}
		if len(id) > resourceid.MaxBytes {
			return nil, resourceid.TooLong(id)
		}
		fullType := f.row.Type
		if own := jsondoc.Text(item, "type"); own != "" && f.row.Scope == InParent && strings.Contains(own, "/") {
			fullType = own // record sets of a DNS zone are of several types
		}
		all = append(all, Resource{Endpoint: f.manager.Client.Endpoint(), Type: fullType, ID: id, Version: f.version, Document: item, read: f.byID})
	}
	return all, nil
}

// bytes is about what is remembered of it while it waits.
func (l list) bytes() int { return len(l.path) + len(l.parent) + 192 }
