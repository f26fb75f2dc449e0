package resource

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/fault"
)

const (
	// readAhead is how many lists, or first pages, are read at once.
	readAhead = 4
	// maxDone is how many more may have been read, or be waiting, behind the one whose
	// turn it is. Some take much longer than others, and would hold up all.
	maxDone = 2 * readAhead
)

// list is one collection to read.
type list struct {
	row          *Type
	manager      *manager
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
	return InOrder(ctx, lists, func(l list, ctx context.Context) fetched { return w.begin(ctx, l) }, use)
}

// InOrder does jobs, a few at once, and hands on what came of them in the order of the
// jobs. The first error of jobs or use ends it; ctx has ended for the jobs then, and
// none goes on when it returns.
func InOrder[Job, Result any](ctx context.Context, jobs iter.Seq2[Job, error], do func(Job, context.Context) Result, use func(Result) error) error {
	ctx, cancel := context.WithCancel(ctx)
	type place struct {
		result chan Result
		turn   *azure.Turn
	}
	queue := make(chan place, maxDone)
	crew := &crew{work: make(chan func())}
	var jobErr error
	crew.running.Go(func() {
		defer close(crew.work)
		defer close(queue)
		for job, err := range jobs {
			if err != nil {
				jobErr = err
				return
			}
			// What waits for its turn holds so much and no more.
			ahead, turn := azure.Ahead(ctx)
			result := make(chan Result, 1)
			select {
			case queue <- place{result, turn}:
			case <-ctx.Done():
				return
			}
			crew.do(func() { result <- do(job, ahead) })
		}
	})
	defer func() {
		cancel()
		for p := range queue { // until the last job was given out
			p.turn.Come()
		}
		crew.running.Wait()
	}()
	for p := range queue {
		p.turn.Come()
		if err := use(<-p.result); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return jobErr
}

// Jobs are the elements of a slice, for [InOrder].
func Jobs[Job any](all []Job) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// crew is up to readAhead goroutines that work until there is no more. A request needs
// a deep stack: growing one anew for each costs more than the request's own work.
type crew struct {
	work    chan func()
	running sync.WaitGroup
	size    int
}

// do has one of the crew do something. It is used from one goroutine.
func (c *crew) do(one func()) {
	if c.size < readAhead {
		select {
		case c.work <- one: // to one that is free
			return
		default:
		}
		c.size++
		c.running.Go(func() {
			one()
			for next := range c.work {
				next()
			}
		})
		return
	}
	c.work <- one
}

// begin reads the first page. What the stamp does not list among its offers is tried
// with one known api-version after the other, and with those that it names when it
// refuses.
func (w *Walk) begin(ctx context.Context, l list) fetched {
	if l.nowhere {
		return fetched{list: l}
	}
	f := w.beginWith(ctx, l)
	if l.offered || !errors.Is(f.err, azure.ErrVersionRefused) {
		return f
	}
	tried := map[string]bool{l.version: true}
	known := slices.Sorted(slices.Values(l.row.Versions))
	slices.Reverse(known)
	for _, version := range append(known, versionsNamed(f.err)...) {
		if tried[version] {
			continue
		}
		tried[version] = true
		again := l
		again.version = version
		if f := w.beginWith(ctx, again); !errors.Is(f.err, azure.ErrVersionRefused) {
			return f
		}
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
	f.pages = l.manager.client.List(l.path, l.version, nil)
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
		page = nil
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
		id := stringOf(item, "id")
		if id == "" {
			name := memberOf(gjson.ParseBytes(scan.Trim(item)), cmp.Or(f.row.Names, "name")).String()
			switch {
			case f.row.Single:
				id = f.path
			case name != "":
				id = f.path + "/" + name
			default:
				return nil, fault.Newf(fault.SourceInvalid, "list %s %s: an element has no id", f.manager.client.Endpoint(), f.path)
			}
		}
		fullType := f.row.Type
		if own := stringOf(item, "type"); own != "" && f.row.Scope == InParent && strings.Contains(own, "/") {
			fullType = own // record sets of a DNS zone are of several types
		}
		all = append(all, Resource{Endpoint: f.manager.client.Endpoint(), Type: fullType, ID: id, Version: f.version, Document: item, read: f.byID})
	}
	return all, nil
}
