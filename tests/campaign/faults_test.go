package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"infrabackup/tests/lab/stamp"
)

// fault is something that goes wrong in the middle of an action, and is over after a while.
type fault struct {
	name   string
	of     string // what it strikes: two faults at once strike two things
	kill   bool   // a process is ended without warning
	source bool   // a backup may lack services for it
	slow   bool   // minutes pass until it is noticed, so that it comes less often
	strike func(ctx context.Context, s *site) error
	lift   func(ctx context.Context, s *site) error
}

// moment is when a fault comes and how long it stays: after a time, or, where changes is not
// zero, as soon as so many names on the share have come or gone, which is in the middle of what
// takes too little time to be met by chance.
type moment struct {
	delay, hold time.Duration
	changes     int
}

// String says it for people.
func (m moment) String() string {
	when := m.delay.Round(time.Millisecond).String()
	if m.changes > 0 {
		when = fmt.Sprintf("%d changes of the share", m.changes)
	}
	return fmt.Sprintf("after %s, for %s", when, m.hold.Round(time.Millisecond))
}

// injection is a fault at work.
type injection struct {
	fault
	ended chan struct{} // closed when the action is over, so that it need not be waited for
	over  chan struct{} // closed when it is, and err is known
	err   error
}

// faulty reports whether something goes wrong in this step, or has.
func (c *campaign) faulty() bool { return len(c.faults) > 0 }

// faults are all that can go wrong here. What tests share is left alone: the directory and the
// lab's own servers.
var faults = []fault{
	{name: "kill the worker", of: "worker", kill: true,
		strike: func(_ context.Context, s *site) error { s.stopWorker(syscall.SIGKILL); return nil },
		lift:   func(_ context.Context, s *site) error { _, _, err := s.launchWorker(); return err }},
	{name: "stop the worker", of: "worker",
		strike: func(_ context.Context, s *site) error { s.stopWorker(syscall.SIGTERM); return nil },
		lift:   func(_ context.Context, s *site) error { _, _, err := s.launchWorker(); return err }},
	{name: "freeze the worker", of: "worker",
		strike: func(_ context.Context, s *site) error { return s.signalWorker(syscall.SIGSTOP) },
		lift:   func(_ context.Context, s *site) error { return s.signalWorker(syscall.SIGCONT) }},
	{name: "kill Temporal", of: "Temporal", kill: true,
		strike: func(ctx context.Context, s *site) error { return s.temporal.Kill(ctx) },
		lift:   func(ctx context.Context, s *site) error { return s.temporal.Start(ctx) }},
	{name: "freeze Temporal", of: "Temporal",
		strike: func(_ context.Context, s *site) error { return s.temporal.Freeze() },
		lift:   func(_ context.Context, s *site) error { return s.temporal.Thaw() }},
	{name: "kill the file server", of: "file server", kill: true,
		strike: func(ctx context.Context, s *site) error { return s.files.Kill(ctx) },
		lift:   func(ctx context.Context, s *site) error { return s.files.Start(ctx) }},
	{name: "stop the file server", of: "file server",
		strike: func(ctx context.Context, s *site) error { return s.files.Halt(ctx) },
		lift:   func(ctx context.Context, s *site) error { return s.files.Start(ctx) }},
	{name: "freeze the file server", of: "file server",
		strike: func(_ context.Context, s *site) error { return s.files.Freeze() },
		lift:   func(_ context.Context, s *site) error { return s.files.Thaw() }},
	{name: "fill the share", of: "share",
		strike: func(_ context.Context, s *site) error { return s.fill("share") },
		lift:   func(_ context.Context, s *site) error { return s.empty("share") }},
	{name: "fill the spool", of: "spool", source: true,
		strike: func(_ context.Context, s *site) error { return s.fill("disk") },
		lift:   func(_ context.Context, s *site) error { return s.empty("disk") }},
	{name: "kill the command", of: "command", kill: true,
		strike: func(_ context.Context, s *site) error { s.killCommand(); return nil }},
	{name: "the stamp is unavailable", of: "stamp", source: true, strike: inject(stamp.Fault{Kind: stamp.Unavailable, RetryAfter: time.Second}), lift: withdraw},
	{name: "the stamp fails", of: "stamp", source: true, strike: inject(stamp.Fault{Kind: stamp.InternalError}), lift: withdraw},
	{name: "the stamp hangs", of: "stamp", source: true, slow: true, strike: inject(stamp.Fault{Kind: stamp.Hang}), lift: withdraw},
	{name: "the stamp cuts its answers", of: "stamp", source: true, strike: inject(stamp.Fault{Kind: stamp.HalfBody}), lift: withdraw},
	{name: "the stamp forgets its tokens", of: "stamp", source: true, strike: inject(stamp.Fault{Kind: stamp.ExpiredToken, Times: 20}), lift: withdraw},
	{name: "the stamp asks to wait", of: "stamp", source: true, strike: inject(stamp.Fault{Kind: stamp.Throttled, RetryAfter: time.Second}), lift: withdraw},
	{name: "the CA's folder is away", of: "CA", source: true,
		strike: func(_ context.Context, s *site) error {
			s.authority.Lock()
			return os.Rename(s.file("ca"), s.file("ca-away"))
		},
		lift: func(_ context.Context, s *site) error {
			defer s.authority.Unlock()
			return os.Rename(s.file("ca-away"), s.file("ca"))
		}},
}

// kills are those that end a process.
func kills() []fault {
	return slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !f.kill })
}

// inject lets the stamp misbehave.
func inject(f stamp.Fault) func(context.Context, *site) error {
	return func(_ context.Context, s *site) error {
		s.misbehaves = s.stamp.Inject(f)
		return nil
	}
}

// withdraw lets it behave again.
func withdraw(_ context.Context, s *site) error {
	s.misbehaves()
	return nil
}

// leaveFree is how little is left of a disk that was filled.
const leaveFree = 256 << 10

// fill leaves next to nothing free on a disk, beside what the product has there.
func (s *site) fill(disk string) error {
	var state syscall.Statfs_t
	if err := syscall.Statfs(s.file(disk), &state); err != nil {
		return err
	}
	size := int64(state.Bavail)*state.Bsize - leaveFree
	f, err := os.OpenFile(filepath.Join(s.file(disk), "ballast"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = nil
	if size > 0 {
		err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	}
	if errors.Is(err, syscall.ENOSPC) { // the product was faster
		err = nil
	}
	return errors.Join(err, f.Close())
}

func (s *site) empty(disk string) error {
	return os.Remove(filepath.Join(s.file(disk), "ballast"))
}

// inject lets a fault come at its moment, and go again.
func (c *campaign) inject(f fault, at moment) *injection {
	i := &injection{fault: f, ended: make(chan struct{}), over: make(chan struct{})}
	c.counts["faults: "+f.name]++
	c.counts["faults of the campaign"]++
	if f.kill {
		c.counts["kills of the campaign"]++
	}
	s, ctx := c.site, c.t.Context()
	lifting := context.WithoutCancel(ctx) // what was struck runs again when the round has ended
	go func() {
		// Where the action is over before, it comes all the same.
		if at.changes > 0 {
			s.untilChanged(ctx, at.changes, i.ended)
		} else {
			timer := time.NewTimer(at.delay)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-i.ended:
			case <-ctx.Done():
			}
		}
		err := f.strike(lifting, s)
		if f.lift != nil {
			pause(ctx, at.hold)
			err = errors.Join(err, f.lift(lifting, s))
		}
		i.err = err
		close(i.over)
	}()
	return i
}

// untilChanged waits until so many names on the share have come or gone.
func (s *site) untilChanged(ctx context.Context, changes int, ended chan struct{}) {
	look := time.NewTicker(500 * time.Microsecond)
	defer look.Stop()
	before := s.onShare()
	for changes > 0 {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-look.C:
		}
		now := s.onShare()
		for name := range now {
			if !before[name] {
				changes--
			}
		}
		for name := range before {
			if !now[name] {
				changes--
			}
		}
		before = now
	}
}

// onShare are the names on the share, as far as they can be read while others change them.
func (s *site) onShare() map[string]bool {
	found := map[string]bool{}
	_ = filepath.WalkDir(s.file("share"), func(path string, _ os.DirEntry, _ error) error { // what goes meanwhile is gone
		found[path] = true
		return nil
	})
	return found
}

// settle waits until the fault is over, everything runs again, and nothing is under way. An
// action calls it before it looks at what came of it.
func (c *campaign) settle() {
	c.t.Helper()
	if !c.faulty() || c.over {
		c.quiet()
		return
	}
	for _, i := range c.faults {
		close(i.ended)
		if <-i.over; i.err != nil {
			c.ended = true
			c.keep(i.err.Error())
			c.t.Fatalf("the fault %q: %v", i.name, i.err)
		}
	}
	c.over = true
	c.answers()
	c.quiet()
}

// answers waits until the product answers again after a fault: what a process that was killed
// had reserved comes back after some seconds.
func (c *campaign) answers() {
	c.t.Helper()
	var last answer
	began := time.Now()
	err := waitUntil(c.t.Context(), settleBound, "the product answers again", func() (bool, error) {
		if revived, err := c.site.revive(); err != nil || revived {
			c.counts["workers that ended by themselves"]++
			c.say("the worker had ended by itself: %v", err)
		}
		last = c.site.run("settings", "show", "-o", "json")
		return last.code == 0 || slices.Contains([]string{"NOT_ENABLED", "SETTINGS_ROLLED_BACK"}, last.errorCode()), nil
	})
	c.must(err == nil, "the product answers again", "%v: %s", err, last)
	c.say("it answers again after %s", time.Since(began).Round(time.Millisecond))
}

// settleBound is within what everything that was begun has to come to an end.
const settleBound = 8 * time.Minute

// quiet waits until no run is under way. More than one of those that exclude each other are a
// divergence, and so is one that does not end.
func (c *campaign) quiet() {
	c.t.Helper()
	began := time.Now()
	var open []string
	err := waitUntil(c.t.Context(), settleBound, "every run has ended", func() (bool, error) {
		if revived, err := c.site.revive(); err != nil || revived {
			c.counts["workers that ended by themselves"]++
			c.say("the worker had ended by itself: %v", err)
		}
		var err error
		open, err = c.site.open(c.t.Context())
		return len(open) == 0, err
	})
	c.must(err == nil, "every run comes to an end", "%v: %v", err, open)
	if took := time.Since(began); took > time.Second {
		c.say("every run has ended after %s", took.Round(time.Millisecond))
	}
}

// drawFaults lets none, one or two things go wrong in a step, each at its moment.
func (c *campaign) drawFaults(a action) {
	c.faults, c.over = nil, false
	if a.calm || c.random.IntN(4) == 0 {
		return
	}
	struck := map[string]bool{}
	for range 1 + c.random.IntN(5)/4 {
		f := faults[c.random.IntN(len(faults))]
		if c.random.IntN(3) == 0 { // a kill is what most is built against
			f = one(c, kills())
		}
		for f.source && !a.captures() { // it would strike nothing
			f = faults[c.random.IntN(len(faults))]
		}
		at := moment{delay: time.Duration(c.random.Int64N(int64(a.length)))}
		at.hold = time.Duration(c.random.Int64N(int64(2 * time.Second)))
		if c.random.IntN(4) == 0 { // longer than the smaller timeouts
			at.hold = 5*time.Second + time.Duration(c.random.Int64N(int64(20*time.Second)))
		}
		if f.kill && c.random.IntN(3) > 0 {
			at.changes = 1 + c.random.IntN(40)
		}
		if struck[f.of] || f.slow && c.random.IntN(4) > 0 {
			continue
		}
		struck[f.of] = true
		c.say("  %s %s", f.name, at)
		c.faults = append(c.faults, c.inject(f, at))
	}
}

// String is a command and what came of it.
func (a answer) String() string {
	return fmt.Sprintf("%v: exit code %d, killed %t, hung %t: %.1500s %.1500s", a.args, a.code, a.killed, a.hung, a.stdout, a.stderr)
}
