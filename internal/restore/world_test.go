package restore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/restoretest"
)

// thing is an item of a made-up service: a value, links to others that are set in a second
// phase, and perhaps a thing whose write brings it along.
type thing struct {
	Value  string   `json:"value"`
	Needs  []string `json:"needs,omitempty"`
	Links  []string `json:"links,omitempty"`
	Within string   `json:"within,omitempty"`
	Lost   string   `json:"lost,omitempty"`
	Final  bool     `json:"final,omitempty"` // cannot be taken back
}

var errCrash = errors.New("crashed")

// place is where things live.
type place struct {
	unchecked bool // no check looks at what is live
	held      int  // bytes of what checks were shown
	mu        sync.Mutex
	values    map[string]string
	links     map[string][]string
	writes    map[string]int // by key
	log       []string
	// crash, when not nil, is asked around every write.
	crash func(key string, sent bool) error
	// taken names are refused by the check.
	taken map[string]bool
	// lie makes a write be confirmed and not done.
	lie map[string]bool
}

func newPlace() *place {
	return &place{values: map[string]string{}, links: map[string][]string{}, writes: map[string]int{}, taken: map[string]bool{}, lie: map[string]bool{}}
}

func (p *place) dump() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(p.values)) {
		fmt.Fprintln(&b, id, p.values[id], p.links[id])
	}
	return b.String()
}

// restorer restores things. backupOf is what the backup has of those that come along.
type restorer struct {
	place   *place
	service backup.Service
	all     map[string]thing
}

func (r *restorer) Service() backup.Service            { return r.service }
func (r *restorer) Lanes() int                         { return 4 }
func (r *restorer) Group(e backup.CatalogEntry) string { return e.ID }

func (r *restorer) key(id, phase string) restore.Key {
	return restore.Key{Service: r.service, Kind: "thing", ID: id, Phase: phase}
}

func (r *restorer) Wants(items []restore.Item, _ *mapping.Map) (wants []restore.Want, losses []restore.Loss, err error) {
	for _, item := range items {
		data, err := item.Read(context.Background())
		if err != nil {
			return nil, nil, err
		}
		var t thing
		if err := json.Unmarshal(data, &t); err != nil {
			return nil, nil, err
		}
		w := restore.Want{Key: r.key(item.ID, ""), Name: item.Name, Stage: 10, Body: []byte(t.Value), Fields: []string{"value"}}
		for _, n := range t.Needs {
			w.Needs = append(w.Needs, restore.Need{Service: r.service, Target: n, Relation: "need"})
		}
		if t.Within != "" {
			w.Within = r.key(t.Within, "")
		}
		if t.Final {
			w.Supplies = []string{"final"}
		}
		wants = append(wants, w)
		if len(t.Links) > 0 {
			l := restore.Want{Key: r.key(item.ID, "links"), Name: item.Name, Stage: 20, Body: []byte(strings.Join(slices.Sorted(slices.Values(t.Links)), ",")), Fields: []string{"links"}}
			for _, n := range t.Links {
				l.Needs = append(l.Needs, restore.Need{Service: r.service, Target: n, Relation: "link"})
			}
			wants = append(wants, l)
		}
		if t.Lost != "" {
			losses = append(losses, restore.Loss{Key: r.key(item.ID, ""), Code: "LOST", Detail: t.Lost})
		}
	}
	return wants, losses, nil
}

func (r *restorer) Live(_ context.Context, w restore.Want, _ *mapping.Map) (restore.State, error) {
	p := r.place
	p.mu.Lock()
	defer p.mu.Unlock()
	value, ok := p.values[w.ID]
	if !ok {
		return restore.State{Digest: restore.AbsentDigest}, nil
	}
	s := restore.State{Exists: true, Document: []byte(value)}
	if w.Phase == "links" {
		s.Document = []byte(strings.Join(p.links[w.ID], ","))
	}
	s.Digest = restore.Digest(s.Document)
	s.Learned = []mapping.Pair{{Old: w.ID, New: "new-" + w.ID, How: mapping.ByName}}
	return s, nil
}

func (r *restorer) Verdict(w restore.Want, live restore.State, _ *mapping.Map) restore.Verdict {
	v := restore.Verdict{Reversible: restore.Reversibility{Grade: restore.Reversible}}
	if len(w.Supplies) > 0 {
		v.Reversible = restore.Reversibility{Grade: restore.Irreversible, Why: "it is final"}
	}
	switch {
	case w.Absent:
		v.Same, v.Action = !live.Exists, restore.Remove
	case !live.Exists:
		v.Action = restore.Create
		if w.Phase != "" {
			v.Action = restore.Update
		}
	case bytes.Equal(live.Document, w.Body):
		v.Same = true
	default:
		v.Action, v.Fields = restore.Update, []string{"value"}
	}
	v.Unchecked = r.place.unchecked
	return v
}

func (r *restorer) Write(_ context.Context, w restore.Want, v restore.Verdict, _ restore.State, _ *mapping.Map) error {
	p := r.place
	p.mu.Lock()
	defer p.mu.Unlock()
	key := w.Key.String()
	if p.crash != nil {
		if err := p.crash(key, false); err != nil {
			return err
		}
	}
	if !p.lie[w.ID] {
		p.writes[key]++
		p.log = append(p.log, key)
		p.write(w, r.all)
	}
	if p.crash != nil {
		return p.crash(key, true)
	}
	return nil
}

func (p *place) write(w restore.Want, all map[string]thing) {
	switch {
	case w.Absent:
		delete(p.values, w.ID)
		delete(p.links, w.ID)
		for id, t := range all {
			if t.Within == w.ID {
				delete(p.values, id)
			}
		}
	case w.Phase == "links":
		p.links[w.ID] = nil
		if len(w.Body) > 0 {
			p.links[w.ID] = strings.Split(string(w.Body), ",")
		}
	default:
		p.values[w.ID] = string(w.Body)
		for id, t := range all {
			if t.Within == w.ID {
				p.values[id] = t.Value
			}
		}
	}
}

func (r *restorer) Inverse(w restore.Want, before, _ restore.State) (restore.Want, restore.Reversibility) {
	inverse := w
	inverse.Body, inverse.Absent, inverse.Supplies, inverse.Needs = before.Document, !before.Exists && w.Phase == "", nil, nil
	if len(w.Supplies) > 0 {
		return inverse, restore.Reversibility{Grade: restore.Irreversible, Why: "it is final"}
	}
	return inverse, restore.Reversibility{Grade: restore.Reversible}
}

func (r *restorer) Check(ctx context.Context, steps []restore.Checked, _ *mapping.Map) (refusals []restore.Refusal, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err // a check talks to the target
	}
	for _, s := range steps {
		r.place.held += len(s.Live.Document)
		if r.place.taken[s.Want.ID] {
			refusals = append(refusals, restore.Refusal{Key: s.Want.Key, Code: "NAME_TAKEN", Detail: "somebody has the name"})
		}
	}
	return refusals, nil
}

// world is a backup of things and a place to restore them to.
type world struct {
	t      *testing.T
	things map[string]thing
	place  *place
	now    time.Time
}

func newWorld(t *testing.T, things map[string]thing) *world {
	return &world{t: t, things: things, place: newPlace(), now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
}

const service = backup.ARM

var (
	cloud  = restore.Fingerprint{FQDN: "a.example.com", DeploymentID: "11111111-2222-4333-8444-555555555555"}
	target = restore.Fingerprint{Name: "b", FQDN: "b.example.com", DeploymentID: "99999999-2222-4333-8444-555555555555"}
)

func (w *world) source() *restore.Source {
	return &restore.Source{
		Catalog: func(_ context.Context, fn func(backup.CatalogEntry) error) error {
			for _, id := range slices.Sorted(maps.Keys(w.things)) {
				data, err := json.Marshal(w.things[id])
				if err != nil {
					return err
				}
				e := backup.CatalogEntry{Service: service, Item: backup.Item{Kind: "thing", ID: id, Name: strings.ToUpper(id)}, SHA256: restore.Digest(data)}
				if err := fn(e); err != nil {
					return err
				}
			}
			return nil
		},
		Item: func(_ context.Context, e backup.CatalogEntry) ([]byte, error) { return json.Marshal(w.things[e.ID]) },
	}
}

func (w *world) restorers() []restore.Restorer {
	return []restore.Restorer{&restorer{place: w.place, service: service, all: w.things}}
}

func (w *world) planner() *restore.Planner {
	m, err := mapping.New()
	require.NoError(w.t, err)
	return &restore.Planner{Source: w.source(), Restorers: w.restorers(), Map: m, Origin: restore.Origin{BackupID: "1945dfe4-d16c-4b36-9096-1deceb046647", Cloud: cloud}, Target: target,
		Product: "infrabackup test", Now: func() time.Time { return w.now }}
}

func (w *world) plan() *restore.Plan {
	w.t.Helper()
	p, err := w.planner().Plan(w.t.Context())
	require.NoError(w.t, err)
	return w.reread(p)
}

// reread is a plan as it is read from its file.
func (w *world) reread(p *restore.Plan) *restore.Plan {
	w.t.Helper()
	var file bytes.Buffer
	require.NoError(w.t, p.Encode(&file))
	read, err := restore.DecodePlan(&file)
	require.NoError(w.t, err)
	require.Equal(w.t, p.Header.PlanID, read.Header.PlanID)
	return read
}

func (w *world) run(p *restore.Plan, j restore.Journal, undone restore.Journal) *restore.Run {
	m, err := mapping.New()
	require.NoError(w.t, err)
	return &restore.Run{Plan: p, Restorers: w.restorers(), Source: w.source(), Journal: j, Undone: undone, Map: m, Target: target, Now: func() time.Time { return w.now }}
}

// apply opens a run, compares and does everything.
func apply(ctx context.Context, r *restore.Run) (restore.Totals, error) {
	return restore.Apply(ctx, r)
}

func code(t *testing.T, want fault.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fault.CodeOf(err), "%v", err)
}

var _ restore.Journal = &restoretest.Journal{}
