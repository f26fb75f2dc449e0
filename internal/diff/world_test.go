package diff_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/result"
)

// thing is an item of a backup that a test makes.
type thing struct {
	service backup.Service
	kind    string
	id      string
	name    string
	aliases []string
	data    []byte
	file    bool
	stale   bool // a later record supersedes it
}

// world is what one side holds.
type world struct {
	things  []thing
	missing map[backup.Service]string
	gaps    map[backup.Service][]backup.Gap
	without []backup.Service // it was not asked for
	name    string
}

// put adds a thing.
func (w *world) put(t thing) { w.things = append(w.things, t) }

// clone is the same world, to be changed.
func (w *world) clone() *world {
	other := *w
	other.things = slices.Clone(w.things)
	return &other
}

// find is the thing with an ID, which must be there.
func (w *world) find(t testing.TB, id string) *thing {
	t.Helper()
	for i := range w.things {
		if w.things[i].id == id && !w.things[i].stale {
			return &w.things[i]
		}
	}
	t.Fatalf("there is no %s", id)
	return nil
}

// memory is a source in memory, made of real parts.
type memory struct {
	world   *world
	entries []backup.CatalogEntry
	parts   map[backup.Service][]byte
	opened  []backup.Service
	read    int
	fail    error
}

// build makes the parts.
func build(t testing.TB, w *world) *memory {
	t.Helper()
	m := &memory{world: w, parts: map[backup.Service][]byte{}}
	for _, service := range backup.Services() {
		var out bytes.Buffer
		writer, err := archive.NewWriter(&out, service, func(e backup.CatalogEntry) error {
			m.entries = append(m.entries, e)
			return nil
		})
		require.NoError(t, err)
		seen := map[string]bool{}
		for _, one := range w.things {
			if one.service != service {
				continue
			}
			item := backup.Item{Kind: one.kind, ID: one.id, Name: one.name, Aliases: one.aliases, Supersedes: seen[one.kind+one.id]}
			seen[one.kind+one.id] = true
			if one.file {
				info := collect.FileInfo{Path: one.id, Size: int64(len(one.data)), Mode: 0o600, ModTime: time.Unix(1e9, 0)}
				require.NoError(t, writer.File(item, info, bytes.NewReader(one.data)))
			} else {
				require.NoError(t, writer.Record(item, one.data))
			}
		}
		_, err = writer.Close()
		require.NoError(t, err)
		m.parts[service] = out.Bytes()
	}
	return m
}

// Side implements diff.Source.
func (m *memory) Side() result.Side {
	return result.Side{Name: m.world.name, Instance: backup.Instance{Name: "local"}, StartedAt: time.Unix(1e9, 0).UTC()}
}

// Services implements diff.Source.
func (m *memory) Services() (all []diff.Service) {
	for _, service := range backup.Services() {
		if !slices.Contains(m.world.without, service) {
			all = append(all, diff.Service{Service: service, Missing: m.world.missing[service], Gaps: m.world.gaps[service]})
		}
	}
	return all
}

// Catalog implements diff.Source.
func (m *memory) Catalog(_ context.Context, fn func(backup.CatalogEntry) error) error {
	for _, e := range m.entries {
		if m.world.missing[e.Service] != "" || slices.Contains(m.world.without, e.Service) {
			continue
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return m.fail
}

// Open implements diff.Source.
func (m *memory) Open(_ context.Context, service backup.Service) (diff.Part, error) {
	m.opened = append(m.opened, service)
	r, err := archive.NewReader(bytes.NewReader(m.parts[service]), int64(len(m.parts[service])))
	if err != nil {
		return nil, err
	}
	return &countedPart{r, m}, nil
}

type countedPart struct {
	*archive.Reader
	m *memory
}

// ReadItem counts.
func (p *countedPart) ReadItem(entry backup.CatalogEntry, w io.Writer) error {
	p.m.read++
	return p.Reader.ReadItem(entry, w)
}

// compare compares two worlds, and makes sure that the other side finds the same.
func compare(t testing.TB, a, b *world, o diff.Options) *result.Report {
	t.Helper()
	x, y := build(t, a), build(t, b)
	there := run(t, x, y, o)
	if o.Identities.Empty() {
		back := run(t, y, x, o)
		require.Equal(t, found(there), found(mirrored(back)))
	}
	return there
}

func run(t testing.TB, a, b *memory, o diff.Options) *result.Report {
	t.Helper()
	o.Random = rand.Reader
	r, err := diff.Compare(t.Context(), a, b, o)
	require.NoError(t, err)
	encoded, err := json.Marshal(r)
	require.NoError(t, err)
	require.NotContains(t, string(encoded), "canary", "a secret is shown")
	requireNoNullLists(t, encoded)
	return r
}

// requireNoNullLists: only values before and after may be null.
func requireNoNullLists(t testing.TB, encoded []byte) {
	t.Helper()
	var whole any
	require.NoError(t, json.Unmarshal(encoded, &whole))
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case nil:
			require.True(t, strings.HasSuffix(path, ".before") || strings.HasSuffix(path, ".after"), path)
		case object:
			for name, below := range v {
				walk(path+"."+name, below)
			}
		case []any:
			for _, below := range v {
				walk(path+"[]", below)
			}
		}
	}
	walk("", whole)
}

// mirrored is a report as the other side has it.
func mirrored(r *result.Report) *result.Report {
	turned := map[result.How]result.How{result.Added: result.Removed, result.Removed: result.Added}
	turn := func(how *result.How) {
		if to, ok := turned[*how]; ok {
			*how = to
		}
	}
	for i := range r.Services {
		s := &r.Services[i]
		s.Added, s.Removed, s.ItemsA, s.ItemsB = s.Removed, s.Added, s.ItemsB, s.ItemsA
		for j := range s.Changes {
			one := &s.Changes[j]
			turn(&one.How)
			if one.FromID != "" {
				one.ID, one.FromID = one.FromID, one.ID
			}
			if one.FromName != "" {
				one.Name, one.FromName = one.FromName, one.Name
			}
			for k := range one.Details {
				d := &one.Details[k]
				turn(&d.How)
				d.Before, d.After = d.After, d.Before
			}
		}
	}
	for i := range r.Access.Rows {
		turn(&r.Access.Rows[i].How)
	}
	for i := range r.Access.Roles {
		one := &r.Access.Roles[i]
		one.Gained, one.Lost = one.Lost, one.Gained
	}
	return r
}

// found is all that a report tells, as sorted lines.
func found(r *result.Report) []string {
	out := []string{}
	for _, s := range r.Services {
		out = append(out, fmt.Sprintf("%s %v %d %d equal %d alike %d", s.Service, s.Compared, s.ItemsA, s.ItemsB, s.Equal, s.Alike))
		for _, i := range s.Ignored {
			out = append(out, fmt.Sprintf("%s ignored %d %s", s.Service, i.Count, i.Reason))
		}
		for _, c := range s.Changes {
			out = append(out, fmt.Sprint(s.Service, " ", describe(c)))
		}
	}
	for _, a := range r.Access.Rows {
		out = append(out, fmt.Sprintf("access %s %s %s %s %q %q %s", a.How, a.Principal.SID, a.Scope, a.RoleID, a.Actions, a.Path, a.Covered))
	}
	for _, a := range r.Access.Roles {
		out = append(out, fmt.Sprintf("role %s %q %q", a.RoleID, a.Gained, a.Lost))
	}
	slices.Sort(out)
	return out
}

// describe is a change in one line, its details sorted.
func describe(c result.Change) string {
	var details []string
	for _, d := range c.Details {
		text := string(d.How) + " " + d.Path
		if d.Secret {
			text += " secret"
		}
		if d.Before != nil {
			text += " -" + *d.Before
		}
		if d.After != nil {
			text += " +" + *d.After
		}
		details = append(details, text)
	}
	slices.Sort(details)
	line := fmt.Sprintf("%s %s %s", c.How, c.Kind, c.ID)
	if c.FromID != "" {
		line += " from " + c.FromID
	}
	if c.FromName != "" {
		line += " from name " + c.FromName
	}
	return line + " {" + strings.Join(details, "; ") + "}"
}

// changes are the changes of all services, in one line each and sorted.
func changes(r *result.Report) []string {
	out := []string{}
	for _, s := range r.Services {
		for _, c := range s.Changes {
			out = append(out, describe(c))
		}
	}
	slices.Sort(out)
	return out
}

// ignoredOf are the counts of a service by reason.
func ignoredOf(r *result.Report, service backup.Service) map[string]int64 {
	out := map[string]int64{}
	for _, s := range r.Services {
		if s.Service == service {
			for _, i := range s.Ignored {
				out[i.Reason] = i.Count
			}
		}
	}
	return out
}

// document makes an item of a resource manager or a vault.
func document(service backup.Service, kind, id string, body map[string]any) thing {
	return thing{service: service, kind: kind, id: strings.ToLower(id), name: id[strings.LastIndexByte(id, '/')+1:], data: enveloped("2018-11-01", encode(body))}
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func enveloped(version string, body []byte) []byte {
	return slices.Concat([]byte(`{"endpoint":"tenant","type":"N/t","apiVersion":"`+version+`","document":`), body, []byte("}"))
}

// object is a JSON object in a test.
type object = map[string]any

// deep is a copy of a JSON value.
func deep(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for name, below := range v {
			out[name] = deep(below)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = deep(v[i])
		}
		return out
	}
	return v
}

// with is a copy of an object with other members.
func with(o, more object) object {
	out := deep(o).(object)
	maps.Copy(out, more)
	return out
}

// decode reads JSON without losing digits.
func decode(t testing.TB, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return v
}

// requireExactly names what was not found and what was invented.
func requireExactly(t testing.TB, want, got []string) {
	t.Helper()
	left := map[string]int{}
	for _, line := range want {
		left[line]++
	}
	for _, line := range got {
		left[line]--
	}
	var missed, invented []string
	for line, n := range left {
		for ; n > 0; n-- {
			missed = append(missed, line)
		}
		for ; n < 0; n++ {
			invented = append(invented, line)
		}
	}
	slices.Sort(missed)
	slices.Sort(invented)
	require.Empty(t, missed, "not found")
	require.Empty(t, invented, "invented")
}
