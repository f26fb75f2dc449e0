package ca

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/restoretest"
)

var errKilled = errors.New("killed")

// killable ends a write before a change of the file system: nothing is cleaned up behind it.
type killable struct {
	*Restorer
	at     int
	killed bool
}

// killAt ends what is done with a restorer at the nth change from now.
func killAt(r *Restorer, n int) *killable {
	k := &killable{Restorer: r, at: n}
	count := 0
	r.between = func(string) error {
		if count++; count > k.at && !k.killed {
			panic(errKilled)
		}
		return nil
	}
	return k
}

// Write implements [restore.Restorer].
func (k *killable) Write(ctx context.Context, want restore.Want, v restore.Verdict, live restore.State, m *mapping.Map) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case errKilled:
			k.killed, err = true, errKilled
		default:
			panic(p)
		}
	}()
	return k.Restorer.Write(ctx, want, v, live, m)
}

// engine plans and runs with one target.
type engine struct {
	t *testing.T
	b *captured
	r restore.Restorer
}

var clock = func() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }

func (e *engine) mapping() *mapping.Map {
	m, err := mapping.New()
	require.NoError(e.t, err)
	return m
}

func (e *engine) fingerprint() restore.Fingerprint {
	r, ok := e.r.(interface {
		Fingerprint(context.Context) (string, error)
	})
	require.True(e.t, ok)
	ca, err := r.Fingerprint(e.t.Context())
	require.NoError(e.t, err)
	return restore.Fingerprint{DeploymentID: "99999999-2222-4333-8444-555555555555", CA: ca}
}

func (e *engine) plan() *restore.Plan {
	e.t.Helper()
	planner := &restore.Planner{Source: e.b.source(), Restorers: []restore.Restorer{e.r}, Map: e.mapping(), Target: e.fingerprint(), Product: "test", Now: clock,
		Origin: restore.Origin{BackupID: "1945dfe4-d16c-4b36-9096-1deceb046647", Cloud: restore.Fingerprint{DeploymentID: "11111111-2222-4333-8444-555555555555"}}}
	p, err := planner.Plan(e.t.Context())
	require.NoError(e.t, err)
	return p
}

func (e *engine) apply(p *restore.Plan, j, undone restore.Journal) (restore.Totals, error) {
	return restore.Apply(e.t.Context(), &restore.Run{Plan: p, Restorers: []restore.Restorer{e.r}, Source: e.b.source(), Journal: j, Undone: undone, Map: e.mapping(),
		Target: e.fingerprint(), Now: clock})
}

func (e *engine) whole(p *restore.Plan, j, undone restore.Journal) {
	e.t.Helper()
	totals, err := e.apply(p, j, undone)
	require.NoError(e.t, err)
	if !totals.Whole() {
		outcomes, _, err := j.Outcome(e.t.Context(), 0)
		require.NoError(e.t, err)
		require.Fail(e.t, "not whole", "%+v", outcomes)
	}
}

// killed applies a plan that is ended at the nth change, if it has as many.
func (e *engine) killed(r *Restorer, n int, p *restore.Plan, j, undone restore.Journal) bool {
	e.t.Helper()
	k := killAt(r, n)
	e.r = k
	_, err := e.apply(p, j, undone)
	e.r, r.between = r, nil
	if k.killed {
		require.ErrorIs(e.t, err, errKilled)
		return true
	}
	require.NoError(e.t, err)
	return false
}

func (e *engine) undo(p *restore.Plan, j restore.Journal) *restore.Plan {
	e.t.Helper()
	undo, err := restore.UndoPlan(e.t.Context(), p, j, "test", clock())
	require.NoError(e.t, err)
	return undo
}

// rolled makes a backup, and a target that is behind it and lost something.
func rolled(t *testing.T) (*captured, *labCA) {
	original := newLabCA(t)
	target := original.copy(t)
	original.issue("four")
	original.revoke("1000")
	original.crl()
	target.remove("newcerts/1002.pem")
	target.write("ca.log", "signed\n")
	return original.capture(t, nil), target
}

// TestKilledAnywhere ends a restore, and its undo, before every change of the file system.
// At every moment the CA in the target's place is whole, and going on leads to the same end.
func TestKilledAnywhere(t *testing.T) {
	b, behind := rolled(t)
	for name, start := range map[string]func(t *testing.T) *labCA{
		"missing": func(t *testing.T) *labCA { return none(t) },
		"empty":   func(t *testing.T) *labCA { c := none(t); require.NoError(t, os.Mkdir(c.dir, 0o750)); return c },
		"live":    func(t *testing.T) *labCA { return behind.copy(t) },
	} {
		t.Run(name, func(t *testing.T) {
			reference := start(t)
			e := &engine{t, b, newRestorer(t, reference.dir)}
			p, j := e.plan(), &restoretest.Journal{}
			before := dump(t, reference.dir)
			e.whole(p, j, nil)
			want := dump(t, reference.dir)
			e.whole(e.undo(p, j), &restoretest.Journal{}, j)
			undone := dump(t, reference.dir)
			if name != "live" {
				require.Equal(t, before, undone)
			}
			kills := 0
			stride := 1
			if testing.Short() {
				stride = 4
			}
			for n := 0; ; n += stride {
				target := start(t)
				r := newRestorer(t, target.dir)
				e := &engine{t, b, r}
				p, j := e.plan(), &restoretest.Journal{}
				first := e.killed(r, n, p, j, nil)
				if first {
					at := dump(t, target.dir)
					require.True(t, at == before || at == want, "killed at %d: neither old nor new:\n%s", n, at)
					e.whole(p, j, nil)
				}
				require.Equal(t, want, dump(t, target.dir), "killed at %d", n)
				undo, journal := e.undo(p, j), &restoretest.Journal{}
				second := e.killed(r, n, undo, journal, j)
				if second {
					at := dump(t, target.dir)
					require.True(t, at == want || at == undone, "undo killed at %d: neither old nor new:\n%s", n, at)
					e.whole(undo, journal, j)
				}
				require.Equal(t, undone, dump(t, target.dir), "undo killed at %d", n)
				if !first && !second {
					break
				}
				kills++
			}
			require.Greater(t, kills*stride, 20)
			t.Logf("%d kills", kills)
		})
	}
}

// TestUndoKeepsNumbers: what was handed out, or may have been, is not handed out again.
func TestUndoKeepsNumbers(t *testing.T) {
	b, target := rolled(t)
	e := &engine{t, b, newRestorer(t, target.dir)}
	index := target.read("index.txt")
	p, j := e.plan(), &restoretest.Journal{}
	require.Equal(t, restore.PartlyReversible, p.Steps[0].Reversible.Grade)
	e.whole(p, j, nil)
	serial, number := target.read("serial"), target.read("crlnumber")
	require.NotEqual(t, "1003\n", serial)
	target.write("ca.log", "signed\nmore\n")
	target.write("notes/new.log", "since\n")
	e.whole(e.undo(p, j), &restoretest.Journal{}, j)
	require.Equal(t, index, target.read("index.txt"))
	require.Equal(t, serial, target.read("serial"))
	require.Equal(t, number, target.read("crlnumber"))
	require.NoFileExists(t, target.path("newcerts/1002.pem"))
	require.NoFileExists(t, target.path("newcerts/1003.pem"))
	require.Equal(t, "signed\nmore\n", target.read("ca.log"), "files that nobody knows stay")
	require.Equal(t, "since\n", target.read("notes/new.log"))
}

// TestUndoOnlyWhileNothingWasIssued: the CA that went on is not taken back.
func TestUndoOnlyWhileNothingWasIssued(t *testing.T) {
	b, behind := rolled(t)
	for name, start := range map[string]func(t *testing.T) *labCA{"missing": func(t *testing.T) *labCA { return none(t) }, "live": func(t *testing.T) *labCA { return behind.copy(t) }} {
		for what, change := range map[string]func(*labCA){"issued": func(c *labCA) { c.issue("since") }, "revoked": func(c *labCA) { c.revoke("1003") }, "a CRL": func(c *labCA) { c.crl() }} {
			t.Run(name+"/"+what, func(t *testing.T) {
				target := start(t)
				e := &engine{t, b, newRestorer(t, target.dir)}
				p, j := e.plan(), &restoretest.Journal{}
				e.whole(p, j, nil)
				change(target)
				before := dump(t, target.dir)
				_, err := e.apply(e.undo(p, j), &restoretest.Journal{}, j)
				require.ErrorIs(t, err, fault.PlanStale)
				outcomes, _, err := j.Outcome(t.Context(), 0)
				require.NoError(t, err)
				live, err := e.r.Live(t.Context(), *outcomes[0].Inverse, nil)
				require.NoError(t, err)
				v := e.r.Verdict(*outcomes[0].Inverse, live, nil)
				require.NotNil(t, v.Refused)
				require.Equal(t, "CA_ISSUED_SINCE", v.Refused.Code)
				require.Equal(t, before, dump(t, target.dir))
			})
		}
	}
}

// TestUndoWithoutTheOldFolder cannot be.
func TestUndoWithoutTheOldFolder(t *testing.T) {
	b, target := rolled(t)
	e := &engine{t, b, newRestorer(t, target.dir)}
	p, j := e.plan(), &restoretest.Journal{}
	e.whole(p, j, nil)
	for _, name := range siblings(t, target) {
		if strings.Contains(name, beforeSuffix) {
			require.NoError(t, os.RemoveAll(target.dir+strings.TrimPrefix(name, "ca")))
		}
	}
	before := dump(t, target.dir)
	totals, err := e.apply(e.undo(p, j), &restoretest.Journal{}, j)
	require.NoError(t, err)
	require.Equal(t, 1, totals.Refused)
	require.Equal(t, before, dump(t, target.dir))
}

// TestFailsAnywhere lets the disk be full at every change of the file system: the old CA
// stays, or the new one is whole, and nothing is left beside it.
func TestFailsAnywhere(t *testing.T) {
	b, behind := rolled(t)
	for n := 0; ; n++ {
		target := behind.copy(t)
		r := newRestorer(t, target.dir)
		want := wantOf(t, b, r)
		live, err := r.Live(t.Context(), want, nil)
		require.NoError(t, err)
		before, count := dump(t, target.dir), 0
		r.between = func(string) error {
			if count++; count == n+1 {
				return syscall.ENOSPC
			}
			return nil
		}
		err = r.Write(t.Context(), want, r.Verdict(want, live, nil), live, nil)
		if err == nil {
			require.Greater(t, n, 10)
			return
		}
		require.ErrorIs(t, err, fault.TargetRefused)
		require.ErrorIs(t, err, syscall.ENOSPC)
		if after := dump(t, target.dir); after != before {
			is, err := r.Live(t.Context(), want, nil)
			require.NoError(t, err)
			require.True(t, r.Verdict(want, is, nil).Same, "failed at %d: neither old nor new", n)
			continue
		}
		require.Equal(t, []string{"ca"}, siblings(t, target), "failed at %d", n)
	}
}

// TestCAWorksMeanwhile lets openssl issue before every change of the file system: what it
// did is never lost.
func TestCAWorksMeanwhile(t *testing.T) {
	b, behind := rolled(t)
	for n, done := 0, false; !done; n++ {
		target := behind.copy(t)
		r := newRestorer(t, target.dir)
		want := wantOf(t, b, r)
		live, err := r.Live(t.Context(), want, nil)
		require.NoError(t, err)
		count, after := 0, ""
		r.between = func(step string) error {
			if strings.HasPrefix(step, "compare") {
				return nil // the new folder is there, and may be worked with
			}
			if count++; count == n+1 {
				target.write("index.txt", target.read("index.txt")+"V\t400101000000Z\t\t1FFF\tunknown\t/CN=meanwhile\n")
				after = dump(t, target.dir)
			}
			return nil
		}
		err = r.Write(t.Context(), want, r.Verdict(want, live, nil), live, nil)
		if after == "" {
			require.NoError(t, err)
			require.Greater(t, n, 10)
			done = true
			continue
		}
		require.ErrorIs(t, err, fault.RestoreConflict, "step %d", n)
		require.Equal(t, after, dump(t, target.dir))
		require.Equal(t, []string{"ca"}, siblings(t, target), "step %d", n)
	}
}
