package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/tests/tier"
)

// stranger can write to the namespace with the SDK as it comes, and has ciphertexts of
// the instance, but not its codec key. The key is used here to make the ciphertexts that
// such a person could have copied.
type stranger struct {
	t    *testing.T
	c    *controller
	own  client.Client // the stock one, which encrypts nothing
	seal *codec.Codec

	first  int // see leavesOut
	asking sync.Mutex
}

func newStranger(t *testing.T, c *controller) *stranger {
	t.Helper()
	own, err := client.Dial(client.Options{HostPort: server(t), Logger: quietLogger{}})
	require.NoError(t, err)
	t.Cleanup(own.Close)
	return &stranger{t: t, c: c, own: own, seal: codec.New(c.ring), first: firstOf(t, strangersStride())}
}

// strangersStride is how many forgeries there are for each that is made where each costs a run
// of a workflow.
func strangersStride() int { return tier.Size(1, 3, 1) }

// leavesOut reports whether a member of the contract, by its number, does not meet a forgery:
// in the soak each meets all, otherwise a third, and each forgery meets a third of the members.
func (s *stranger) leavesOut(member, forgery int) bool {
	return (member+forgery)%strangersStride() != s.first
}

// quietLogger keeps the SDK's log out of the test's.
type quietLogger struct{}

func (quietLogger) Debug(string, ...any) {}
func (quietLogger) Info(string, ...any)  {}
func (quietLogger) Warn(string, ...any)  {}
func (quietLogger) Error(string, ...any) {}

// marks are what the product seals beside a payload, in its own words.
type marks map[string]string

// copied is a ciphertext as the product makes it: for place, with a stamp.
func (s *stranger) copied(place []string, st marks, body any) *commonpb.Payload {
	s.t.Helper()
	where, err := json.Marshal(place)
	require.NoError(s.t, err)
	stamped, err := json.Marshal(st)
	require.NoError(s.t, err)
	data, err := json.Marshal(body)
	require.NoError(s.t, err)
	p, err := s.seal.Seal(string(where), &commonpb.Payload{
		Metadata: map[string][]byte{"encoding": []byte("json/plain"), "infrabackup-stamp": stamped}, Data: data,
	})
	require.NoError(s.t, err)
	return p
}

// clear is what a stock tool sends.
func clear(t *testing.T, body any) *commonpb.Payload {
	t.Helper()
	data, err := json.Marshal(body)
	require.NoError(t, err)
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: data}
}

const namespace = "default"

// target is a place in the contract that somebody writes to.
type target struct {
	kind, name, way string
	place           []string // as the product names it
	right           marks    // what would be believed
	body            any
}

// forgery is one thing that is written there.
type forgery struct {
	name     string
	payloads []*commonpb.Payload
}

// forgeries are all that a stranger can write to a target: others of the ciphertexts of
// elsewhere, from the one at first on, 0 for all.
func (s *stranger) forgeries(at target, first, others int) []forgery {
	s.t.Helper()
	with := func(place []string, change marks) *commonpb.Payload {
		st := marks{"kind": at.kind, "name": at.name, "way": at.way}
		maps.Copy(st, at.right)
		maps.Copy(st, change)
		return s.copied(place, st, at.body)
	}
	moved := func(i int, to string) []string {
		place := slices.Clone(at.place)
		place[i] = to
		return place
	}
	id := at.place[2]
	_, rest, _ := strings.Cut(id, ":")
	right := with(at.place, nil)
	cut := &commonpb.Payload{Metadata: right.Metadata, Data: right.Data[:len(right.Data)-1]}
	half := &commonpb.Payload{Metadata: right.Metadata, Data: right.Data[:20]}
	old := with(at.place, nil)
	delete(old.Metadata, "encryption-place")
	renamed := with(moved(2, "other:"+rest), nil)
	renamed.Metadata["encryption-place"] = right.Metadata["encryption-place"]
	one := func(name string, p *commonpb.Payload) forgery { return forgery{name, []*commonpb.Payload{p}} }
	all := []forgery{
		one("clear JSON", clear(s.t, at.body)),
		one("clear null", &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/null")}}),
		one("an empty payload", &commonpb.Payload{}),
		{"nothing", nil},
		one("cut short", cut),
		one("half a nonce", half),
		one("without its place", old),
		one("with another place written over its own", renamed),
		one("of another workflow", with(moved(2, id+"-2"), nil)),
		one("of another instance", with(moved(2, "other:"+rest), nil)),
		one("of another namespace", with(moved(1, "foreign"), nil)),
		one("without a stamp", s.copied(at.place, nil, at.body)),
		one("of an earlier run", with(at.place, marks{"run": "00000000-0000-4000-8000-000000000001", "nonce": "earlier", "answers": "earlier"})),
		{"twice", []*commonpb.Payload{right, right}},
	}
	if at.kind == "activity" {
		all = append(all, one("of another activity", with(moved(4, "Other"), nil)))
	}
	return append(all, s.elsewhere(at, first, others)...)
}

// elsewhere are ciphertexts of other members and directions of the contract, made for the
// same workflow.
func (s *stranger) elsewhere(at target, first, limit int) []forgery {
	s.t.Helper()
	var all []marks
	for _, m := range flow.Contract() {
		for _, way := range []string{"input", "result", "failure"} {
			if string(m.Kind) != at.kind || m.Name != at.name || way != at.way {
				all = append(all, marks{"kind": string(m.Kind), "name": m.Name, "way": way})
			}
		}
	}
	if limit > 0 && limit < len(all) {
		first %= len(all)
		all = append(all, all...)[first : first+limit]
	}
	forged := make([]forgery, 0, len(all))
	for _, st := range all {
		name := fmt.Sprintf("the %s of %s %s", st["way"], st["kind"], st["name"])
		maps.Copy(st, at.right)
		forged = append(forged, forgery{name, []*commonpb.Payload{s.copied(at.place, st, at.body)}})
	}
	return forged
}

// harmful is an input that would do something: it names what is there.
func harmful(in reflect.Type, instance string, id backup.ID) any {
	value := reflect.New(in).Elem()
	if in.Kind() != reflect.Struct {
		return value.Interface()
	}
	for name, to := range map[string]any{"Instance": instance, "BackupID": id, "Revision": int64(1), "RequestedBy": "a stranger"} {
		if field := value.FieldByName(name); field.IsValid() && field.Type() == reflect.TypeOf(to) {
			field.Set(reflect.ValueOf(to))
		}
	}
	return value.Interface()
}

// codes are the answers that a refusal may have.
var refusals = []fault.Code{fault.PayloadRefused, fault.PayloadOutdated, fault.CodecKey}

func refusedCode(code string) bool { return slices.Contains(refusals, fault.Code(code)) }

// TestNobodyWithoutTheKeyCommands writes everything that a stranger can write to every
// workflow, update, query and signal of the contract, and makes strangers answer in place
// of the workers: all of it is refused with a code, and nothing changes.
func TestNobodyWithoutTheKeyCommands(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 5})
	c.enable()
	id, run := c.begin()
	_, err := run.Get(t.Context())
	require.NoError(t, err)
	door := c.door()
	before := c.state(door)

	s := newStranger(t, c)
	work := &errgroup.Group{}
	work.SetLimit(24)
	for i, m := range flow.Contract() {
		switch m.Kind {
		case flow.KindWorkflow:
			s.startsOf(work, m, i, id)
		case flow.KindUpdate, flow.KindQuery:
			work.Go(func() error { return s.messagesOf(m, i, run.GetRunID()) })
		}
	}
	work.Go(func() error { return s.signals(id) })
	require.NoError(t, work.Wait())
	require.Equal(t, before, c.state(door))

	verdict, err := door.Verify(t.Context(), string(id))
	require.NoError(t, err, "the worker is alive")
	require.Equal(t, id, verdict.BackupID)
	require.Empty(t, verdict.Findings)
}

// state is all that commands could have changed.
func (c *controller) state(door *control.Controller) string {
	c.t.Helper()
	summary, err := door.Summary(c.t.Context())
	require.NoError(c.t, err)
	history, err := door.History(c.t.Context())
	require.NoError(c.t, err)
	text, err := json.Marshal([]any{summary, history, folderOf(c.t, c.shareDir)})
	require.NoError(c.t, err)
	return string(text)
}

// within bounds what a test waits for.
func within(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 10*time.Minute)
}
