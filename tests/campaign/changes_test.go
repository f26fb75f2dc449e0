package campaign

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// trustSigners keeps the signing keys that the settings name, as an operator writes them down.
func (c *campaign) trustSigners() {
	now := c.settings()
	c.site.write("signers", strings.Join(append(now.FormerSigners, now.SigningKey), "\n")+"\n")
}

func (c *campaign) setKeys() {
	var keys []string
	for keys == nil || sameSet(keys, c.model.keys) {
		keys = nil
		for _, i := range c.random.Perm(len(allKeys))[:1+c.random.IntN(2)] {
			keys = append(keys, allKeys[i])
		}
	}
	args := []string{"key", "set"}
	for _, key := range keys {
		args = append(args, "--recipient", c.model.publicOf[key])
	}
	c.finished([]string{"SETTINGS_INVALID"}, args...)
	c.model.keys = keys
}

// sameSet reports whether two lists have the same elements.
func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// identities are all of the operators.
func (c *campaign) identities() (args []string) {
	for _, key := range allKeys {
		args = append(args, "--identity", c.site.file(key))
	}
	return args
}

func (c *campaign) rewrap() {
	c.finished(nil, append([]string{"key", "rewrap"}, c.identities()...)...)
	for _, b := range c.model.here().all() {
		b.keys = slices.Clone(c.model.keys)
	}
}

// revoke gives up a key that is not one of the current ones.
func (c *campaign) revoke() {
	var others []string
	for _, key := range allKeys {
		if !slices.Contains(c.model.keys, key) {
			others = append(others, key)
		}
	}
	key := one(c, others)
	c.finished(nil, append([]string{"key", "revoke", "--compromised", fingerprint(c.model.publicOf[key])}, c.identities()...)...)
	for _, b := range c.model.here().all() {
		if slices.Contains(b.keys, key) || c.opensWithCurrent(b) {
			b.keys = slices.Clone(c.model.keys)
		}
	}
}

// opensWithCurrent reports whether a backup has come to the current keys: a backup that the key
// could open once is encrypted again, too, and what it could open once is known by the ledger.
func (c *campaign) opensWithCurrent(b *held) bool {
	dir := filepath.Join(c.root(c.model.current), "backups", b.folder)
	return !slices.ContainsFunc(c.model.keys, func(key string) bool { return !c.opens(dir, key) })
}

func (c *campaign) rotateSigning() {
	before := c.settings().SigningKey
	_, ok := c.tried("key", "rotate-signing")
	after := c.settings()
	c.must(!ok || after.SigningKey != before, "another key signs", "%s", before)
	c.must(after.SigningKey == before || slices.Contains(after.FormerSigners, before), "a former key is trusted still", "%s: %v", before, after.FormerSigners)
	c.trustSigners()
}

func (c *campaign) rotateCodec() {
	m := c.model
	m.codecKeys++
	old, id := fmt.Sprintf("k%d", m.codecKeys), fmt.Sprintf("k%d", m.codecKeys+1)
	restart := func() {
		c.site.stopWorker(one(c, stops))
		if err := c.site.startWorker(c.t.Context()); err != nil {
			c.diverge("the worker does not start: %v", err)
		}
		c.answers()
	}
	c.good("codec-key", "add", "--id", id)
	restart()
	c.good("codec-key", "activate", id)
	restart()
	c.good("settings", "reseal")
	if c.random.IntN(2) == 0 {
		c.good("codec-key", "remove", old, "--yes")
		restart()
	}
}

func (c *campaign) changePassword() {
	c.model.passwords++
	password := fmt.Sprintf("Passw0rd-%d-%d", c.seed, c.model.passwords)
	if err := c.site.files.SetPassword(c.t.Context(), password); err != nil {
		c.t.Fatal(err)
	}
	if c.random.IntN(2) == 0 { // it is noticed, or a connection that stands is used still
		token := c.mark()
		authority, before := c.authorityNow(), c.published()
		a := c.command("backup", "start", "--wait")
		c.quiet()
		b := c.takeUp(before, token, authority)
		c.must((a.code == 0) == (b != nil), "what was said to be made is there", "%s", a)
		// A run that was cut off from the share, and is not let in again, cannot clean up.
		c.model.here().unclean = a.code != 0 && c.faulty()
		c.must(a.code == 0 || c.faulty() || a.errorCode() == "SHARE_AUTH_FAILED", "a wrong password is called one", "%s", a)
	}
	c.site.write("password", password)
	c.finished(nil, "credentials", "set", "--password-file", c.site.file("password"))
}

func (c *campaign) changeShare() {
	m := c.model
	from, to := m.current, 1-m.current
	args := []string{"share", "set", c.unc(to)}
	copied := c.random.IntN(2) == 0
	if copied {
		args = append(args, "--copy")
	}
	before := c.published()
	_, ok := c.tried(args...)
	now := c.settings().Share.Path
	c.must(now == c.unc(from) || now == c.unc(to), "the share is one of the two", "%s", now)
	c.must(!ok || now == c.unc(to), "what was said to be changed is changed", "%s", now)
	if now == c.unc(from) {
		c.counts["actions that were begun again"]++
		c.good(args...)
	}
	c.quiet()
	m.current = to
	m.here().used = true
	if copied {
		// Where the ledger goes on from that of an earlier copy, what was deleted or changed since is
		// brought up to date; another ledger there has its own backups, which stay.
		there, here := m.here().ledger, m.shares[from].ledger
		if len(there) <= len(here) && slices.Equal(there, here[:len(there)]) {
			m.here().backups = map[string]*held{}
		}
		for _, b := range m.shares[from].all() {
			if m.here().backups[b.id] == nil {
				twin := *b
				m.here().backups[b.id] = &twin
			}
		}
	}
	m.shares[from].left = nil
	left, err := digests(c.root(from))
	c.must(err == nil, "the old share is there", "%v", err)
	m.shares[from].left = left
	m.here().left = nil
	c.say("  from %s with %d backups, copied %t", folders[from], len(before), copied)
}

func (c *campaign) adoptSettings() {
	if err := c.site.client.TerminateWorkflow(c.t.Context(), instance+":settings", "", "campaign"); err != nil {
		c.t.Fatal(err)
	}
	before := c.everything()
	a := c.command("backup", "start", "--wait")
	c.must(a.errorCode() == "SETTINGS_STOPPED", "settings that were ended stop everything", "%s", a)
	c.quiet()
	diff := differing(before, c.everything())
	c.must(len(diff) == 0, "what is refused changes nothing", "%v", diff)
	// Temporal lists a run moments after it has ended.
	err := waitUntil(c.t.Context(), time.Minute, "the settings are adopted", func() (bool, error) {
		a = c.command("settings", "adopt")
		return a.code == 0, nil
	})
	c.must(err == nil, "settings that were ended go on", "%v: %s", err, a)
}

// adoptShare loses Temporal with all it knew, and takes the backups over.
func (c *campaign) adoptShare() {
	ctx := c.t.Context()
	for _, do := range []func() error{
		func() error { return c.site.temporal.Kill(ctx) }, c.site.temporal.Forget,
		func() error { return c.site.temporal.Start(ctx) },
		func() error { c.site.stopWorker(one(c, stops)); return nil },
		func() error { return c.site.startWorker(ctx) },
	} {
		if err := do(); err != nil {
			c.t.Fatal(err)
		}
	}
	c.answers()
	enable := []string{"enable", "--share", c.unc(c.model.current), "--username", c.site.files.User(), "--password-file", c.site.file("password")}
	for _, key := range c.model.keys {
		enable = append(enable, "--recipient", c.model.publicOf[key])
	}
	c.refused([]string{"INSTANCE_OCCUPIED"}, enable...)
	c.good(append(enable, "--adopt", "--allowed-signers", c.site.file("signers"))...)
	c.trustSigners()
	// The share that is not the current one is another controller's now.
	other := c.model.shares[1-c.model.current]
	if other.used {
		if err := os.RemoveAll(c.root(1 - c.model.current)); err != nil {
			c.t.Fatal(err)
		}
		*other = shareModel{backups: map[string]*held{}}
	}
}

// rollBack puts an earlier copy of Temporal's database in the place of the newest, behind a
// backup and at times a change of settings. The worker is restarted, too: what one that runs
// remembers of the settings would answer for a while, and hide that they were set back.
func (c *campaign) rollBack() {
	ctx, s, m := c.t.Context(), c.site, c.model
	again := func(do ...func() error) {
		do = append([]func() error{func() error { return s.temporal.Kill(ctx) }}, do...)
		for _, do := range append(do, func() error { return s.temporal.Start(ctx) }) {
			if err := do(); err != nil {
				c.t.Fatal(err)
			}
		}
		c.answers()
		c.quiet()
	}
	again(func() error { return s.temporal.Copy(s.file("temporal-before")) })
	keys := m.keys
	c.backUp()
	if c.random.IntN(2) == 0 {
		c.setKeys()
	}
	again(func() error { return s.temporal.Replace(s.file("temporal-before")) },
		func() error { s.stopWorker(one(c, stops)); return nil }, func() error { _, _, err := s.launchWorker(); return err })
	codes := []string{"SETTINGS_ROLLED_BACK"}
	c.refused(codes, "backup", "start", "--wait")
	c.refused(codes, "settings", "adopt")
	c.good("settings", "adopt", "--older")
	m.keys = keys
}
