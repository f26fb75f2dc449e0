package diff

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/directory"
	"infrabackup/internal/diff/document"
	"infrabackup/internal/diff/result"
)

// lone is an item that only one side has.
type lone struct {
	*item
	class string
	twin  document.Twin
}

// lookAgain finds items of a service again that have another ID on the other side.
func (c *comparison) lookAgain(ctx context.Context, w *work) error {
	a, err := c.look(ctx, w, w.onlyA, true)
	if err != nil {
		return err
	}
	b, err := c.look(ctx, w, w.onlyB, false)
	if err != nil {
		return err
	}
	w.onlyA, w.onlyB = nil, nil
	a, b = c.twins(w, a, b)
	w.aloneA, w.aloneB = c.sameContent(w, a, b)
	return nil
}

// pairUp does the same for what lies below something that was found again, in whatever
// service, and enters the others as added or removed.
func (c *comparison) pairUp(w *work) {
	if document.Has(w.service) {
		w.aloneA, w.aloneB = c.followers(w, w.aloneA, w.aloneB)
	}
	for _, one := range w.aloneA {
		w.add(result.Change{Kind: one.kind, ID: one.id, Name: one.name, How: result.Removed, Class: one.class, Note: gapNote("B", c.b, w.service, one.item)})
	}
	for _, one := range w.aloneB {
		w.add(result.Change{Kind: one.kind, ID: one.id, Name: one.name, How: result.Added, Class: one.class, Note: gapNote("A", c.a, w.service, one.item)})
	}
	w.aloneA, w.aloneB = nil, nil
}

// gapNote says that the other side knows of an item and could not hold it.
func gapNote(name string, s *side, service backup.Service, i *item) string {
	for _, object := range []string{i.id, i.name} {
		if code := s.gaps[service][lower(object)]; code != "" {
			return name + " knows of it, and could not capture it: " + code
		}
	}
	return ""
}

// look reads items that only one side has, as far as that tells something of them.
func (c *comparison) look(ctx context.Context, w *work, items []*item, first bool) (all []lone, err error) {
	r := c.reader(w)
	defer func() {
		if failed := r.close(); err == nil {
			err = failed
		}
	}()
	var read []pair
	for _, i := range items {
		switch reason := document.Derived(w.service, i.kind); {
		case reason != "":
			w.ignored.Add(reason, 1)
		case (document.Has(w.service) || isObject(w.service, i.kind)) && i.length <= maxCompared:
			if first {
				read = append(read, pair{a: i})
			} else {
				read = append(read, pair{b: i})
			}
		default:
			all = append(all, lone{item: i})
		}
	}
	err = r.each(ctx, read, func(p pair, a, b []byte) error {
		i, data := p.a, a
		if !first {
			i, data = p.b, b
		}
		one, ok, err := c.lookAt(w, i, data, first)
		if ok {
			all = append(all, one)
		}
		return err
	})
	return all, err
}

// lookAt finds out what matters of an item that only one side has. It is false for one that
// does not count.
func (c *comparison) lookAt(w *work, i *item, data []byte, first bool) (one lone, ok bool, err error) {
	one.item = i
	if isObject(w.service, i.kind) {
		r, err := object(i, data)
		if err != nil {
			return one, false, err
		}
		if r.Deleted {
			w.ignored.Add(directory.ReasonDeleted, 1)
			return one, false, nil
		}
		one.class = directory.Class(r)
		if first {
			c.principals(w, r, nil)
		} else {
			c.principals(w, nil, r)
			w.names = append(w.names, r.DN)
		}
		return one, true, nil
	}
	var principal func(string) string
	picture := c.after
	if first {
		principal, picture = c.options.Identities.SID, c.before
	}
	one.twin = c.documents.Twin(w.service, i.kind, i.id, data, principal)
	if c.inPicture(w.service, i.kind) {
		c.enter(picture, w.service, i, data)
		c.accessChanged = true
	}
	return one, true, nil
}

// twins pairs items that say themselves that they are the same object.
func (c *comparison) twins(w *work, a, b []lone) (restA, restB []lone) {
	type place struct{ a, b []int }
	byKey := map[string]*place{}
	key := func(one lone) string { return one.kind + "\x00" + one.twin.Key }
	for i, list := range [][]lone{a, b} {
		for n, one := range list {
			if one.twin.Key == "" {
				continue
			}
			p := byKey[key(one)]
			if p == nil {
				p = &place{}
				byKey[key(one)] = p
			}
			if i == 0 {
				p.a = append(p.a, n)
			} else {
				p.b = append(p.b, n)
			}
		}
	}
	goneA, goneB := map[int]bool{}, map[int]bool{}
	for _, p := range byKey {
		for n := range min(len(p.a), len(p.b)) {
			x, y := a[p.a[n]], b[p.b[n]]
			switch {
			case x.twin.Same != "":
				w.Alike++
				w.ignored.Add(x.twin.Same, 1)
			case len(p.a) == 1 && len(p.b) == 1:
				w.pairs = append(w.pairs, pair{a: x.item, b: y.item, moved: true})
				c.moved[lower(x.id)] = lower(y.id)
			default:
				continue
			}
			goneA[p.a[n]], goneB[p.b[n]] = true, true
		}
	}
	return left(a, goneA), left(b, goneB)
}

func left(all []lone, gone map[int]bool) (rest []lone) {
	for i, one := range all {
		if !gone[i] {
			rest = append(rest, one)
		}
	}
	return rest
}

// sameContent pairs files that are nowhere twice and have the same content.
func (c *comparison) sameContent(w *work, a, b []lone) (restA, restB []lone) {
	type content struct {
		kind   string
		digest [sha256.Size]byte
	}
	of := func(list []lone) map[content][]int {
		all := map[content][]int{}
		for i, one := range list {
			if isFile(w.service, one.kind) && one.length > 0 {
				at := content{one.kind, one.digest}
				all[at] = append(all[at], i)
			}
		}
		return all
	}
	inA, inB := of(a), of(b)
	goneA, goneB := map[int]bool{}, map[int]bool{}
	for at, x := range inA {
		if y := inB[at]; len(x) == 1 && len(y) == 1 {
			goneA[x[0]], goneB[y[0]] = true, true
			w.pairs = append(w.pairs, pair{a: a[x[0]].item, b: b[y[0]].item, moved: true})
		}
	}
	return left(a, goneA), left(b, goneB)
}

// followers pairs what lies below a resource that was moved.
func (c *comparison) followers(w *work, a, b []lone) (restA, restB []lone) {
	if len(c.moved) == 0 || len(a) == 0 || len(b) == 0 {
		return a, b
	}
	there := map[string]int{}
	for i, one := range b {
		there[one.kind+"\x00"+lower(one.id)] = i
	}
	goneA, goneB := map[int]bool{}, map[int]bool{}
	for i, one := range a {
		to, ok := c.translate(lower(one.id))
		if !ok {
			continue
		}
		if j, ok := there[one.kind+"\x00"+to]; ok && !goneB[j] {
			goneA[i], goneB[j] = true, true
			w.ignored.Add(ReasonMoved, 1)
			w.pairs = append(w.pairs, pair{a: one.item, b: b[j].item})
		}
	}
	return left(a, goneA), left(b, goneB)
}

// translate says what B calls a resource of A, in small letters: one that was moved, or one
// below it.
func (c *comparison) translate(id string) (string, bool) {
	for end := len(id); end > 0; end = strings.LastIndexByte(id[:end], '/') {
		if to, ok := c.moved[id[:end]]; ok {
			return to + id[end:], true
		}
	}
	return id, false
}

// translator is what documents of A are read with, nil when nothing has another name.
func (c *comparison) translator() func(string) string {
	if len(c.moved) == 0 && c.options.Identities.Empty() {
		return nil
	}
	return func(text string) string {
		if strings.HasPrefix(text, "/") && len(c.moved) > 0 {
			if to, ok := c.translate(lower(text)); ok {
				return to
			}
		}
		return c.options.Identities.Text(text)
	}
}

// sortChanges brings changes into the order of the report.
func sortChanges(changes []result.Change) {
	slices.SortFunc(changes, func(x, y result.Change) int {
		if n := strings.Compare(x.Kind, y.Kind); n != 0 {
			return n
		}
		if n := strings.Compare(x.ID, y.ID); n != 0 {
			return n
		}
		return strings.Compare(string(x.How), string(y.How))
	})
}
