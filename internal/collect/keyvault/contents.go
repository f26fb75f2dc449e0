package keyvault

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/collect/resource/queue"
)

// descend captures what vaults hold. The lists of each are read until they do not
// change.
func descend(ctx context.Context, w *resource.Walk, parents []resource.Resource) error {
	var all []*vault
	for i, parent := range parents {
		v, err := newVault(w, parent)
		parents[i].Document = nil
		if err != nil {
			return err
		}
		if v == nil {
			w.Gap(backup.Gap{Code: GapNoAddress, Object: w.ItemID("vault", parent.Endpoint, parent.ID),
				Reason: "The vault's resource has no address for it, as while it is being created; what it holds was not captured."})
			continue
		}
		if err := w.Remember(len(v.id) + 2000); err != nil {
			return err
		}
		all = append(all, v)
	}
	restless := slices.Clone(all)
	for round := range maxRounds {
		for _, v := range restless {
			v.changed = 0
		}
		if err := look(ctx, restless, round); err != nil {
			return err
		}
		restless = slices.DeleteFunc(restless, func(v *vault) bool { return v.changed == 0 })
	}
	for _, v := range all {
		v.handGaps()
	}
	return nil
}

// look lists what vaults hold and reads what is not known as it is now. There are two
// queues, one behind the other: vaults whose lists are begun, and the objects of these
// lists. Both go on across the ends of lists and of vaults, most of which are small.
func look(ctx context.Context, vaults []*vault, round int) error {
	// The lists are not waited for when an object cannot be handed on.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var jobs iter.Seq2[job, error] = func(yield func(job, error) bool) {
		err := queue.InOrder(ctx, queue.Jobs(vaults), func(ctx context.Context, v *vault) *opened { return v.open(ctx) }, func(o *opened) error {
			if !o.jobs(ctx, round, yield) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(job{}, err)
		}
	}
	return queue.InOrder(ctx, jobs, func(ctx context.Context, j job) *reading { return j.begin(ctx) }, func(r *reading) error {
		err := r.finish(ctx)
		if err != nil {
			cancel()
		}
		return err
	})
}

// errEnough ends the queue of vaults: no more jobs are wanted.
var errEnough = errors.New("enough")

// job is an object to read, or what is to be done when the objects before it were read.
type job struct {
	v    *vault
	o    object
	then func(context.Context) error
}

func (j job) begin(ctx context.Context) *reading {
	if j.then != nil {
		return &reading{v: j.v, then: j.then}
	}
	return j.v.read(ctx, j.o)
}

// opened is a vault with the beginnings of its lists.
type opened struct {
	v     *vault
	lists map[*collection]*listing
}

// open begins the lists of a vault, until enough is held.
func (v *vault) open(ctx context.Context) *opened {
	o := &opened{v: v, lists: map[*collection]*listing{}}
	held := 0
	for _, c := range collections {
		if v.hidden[c] || held >= maxHeld {
			continue
		}
		l := v.start(ctx, c)
		if c.deleted() && unlisted(l.err) {
			v.hide(c)
			continue
		}
		o.lists[c] = l
		if l.err != nil {
			break
		}
		held += l.held()
	}
	return o
}

// jobs hands on what a look at the vault has to do. It reports false when that ends the
// look: yield did, or was given an error.
func (o *opened) jobs(ctx context.Context, round int, yield func(job, error) bool) bool {
	v := o.v
	for _, c := range collections {
		if !v.hidden[c] && !o.list(ctx, c, round, yield) {
			return false
		}
		if v.gone {
			return true
		}
	}
	return round > 0 || yield(job{v: v, o: object{collection: contacts, name: "contacts"}}, nil)
}

// list hands on the objects of a collection that are not known as they are now, and
// behind them the question what became of those that it has no more.
func (o *opened) list(ctx context.Context, c *collection, round int, yield func(job, error) bool) bool {
	v := o.v
	l := o.lists[c]
	if l == nil {
		l = v.start(ctx, c)
	}
	known := v.known[c]
	changed, more := 0, true
	handed, err := v.objects(ctx, c, l, func(one object) bool {
		name, now := strings.ToLower(one.name), mark{maphash.Bytes(v.seed, one.document), round}
		before, ok := known[name]
		known[name] = now
		if ok && before.sum == now.sum {
			return true
		}
		changed++
		more = yield(job{v: v, o: one}, nil)
		return more
	})
	switch {
	case !more:
		return false
	case err != nil && handed == 0 && c.deleted() && unlisted(err):
		v.hide(c)
		return true
	case err != nil && v.mayHaveGone(err):
		there, asked := v.walk.There(ctx, v.resource)
		if asked != nil || there {
			yield(job{}, err)
			return false
		}
		v.gone = true
		return yield(job{v: v, then: func(context.Context) error {
			v.walk.Deleted("vault", v.resource)
			return nil
		}}, nil)
	case err != nil:
		yield(job{}, v.denied(err, c.list, c.of))
		return false
	}
	return yield(job{v: v, then: func(ctx context.Context) error {
		v.changed += changed
		return v.absent(ctx, c, round)
	}}, nil)
}
