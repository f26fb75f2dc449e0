package campaign

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// action is something that operators do.
type action struct {
	name   string
	weight int
	length time.Duration // about what it takes: within it a fault comes
	calm   bool          // no fault comes
	ready  func(m *model) bool
	do     func(c *campaign)
}

// captures reports whether sources are read.
func (a action) captures() bool { return strings.Contains(a.name, "back") }

func always(*model) bool      { return true }
func some(m *model) bool      { return len(m.here().backups) > 0 }
func many(m *model) bool      { return len(m.here().backups) > 5 }
func unharmed(m *model) bool  { return len(m.here().damaged()) == 0 && len(m.here().backups) > 0 }
func harmed(m *model) bool    { return len(m.here().damaged()) > 0 }
func mayDamage(m *model) bool { return len(m.here().damaged()) == 0 && len(m.here().whole()) > 1 }

// actions are all that is done here.
var actions = []action{
	{"back up", 12, 4 * time.Second, false, func(m *model) bool { return len(m.here().backups) < 9 }, (*campaign).backUp},
	{"cancel a backup", 4, 2 * time.Second, false, func(m *model) bool { return len(m.here().backups) < 9 }, (*campaign).cancel},
	{"two backups at once", 2, 4 * time.Second, false, func(m *model) bool { return len(m.here().backups) < 9 }, (*campaign).twice},
	{"verify one", 4, time.Second, false, some, (*campaign).verifyOne},
	{"verify one with its key", 2, time.Second, false, some, (*campaign).verifyDeep},
	{"verify all", 3, time.Second, false, some, (*campaign).verifyAll},
	{"delete", 2, time.Second, false, some, (*campaign).remove},
	{"delete one of many", 8, time.Second, false, many, (*campaign).remove},
	{"set keys", 4, 2 * time.Second, false, always, (*campaign).setKeys},
	{"rewrap", 6, 3 * time.Second, false, unharmed, (*campaign).rewrap},
	{"revoke", 5, 5 * time.Second, false, unharmed, (*campaign).revoke},
	{"rotate the signing key", 3, 2 * time.Second, false, always, (*campaign).rotateSigning},
	{"rotate the codec key", 2, 6 * time.Second, true, always, (*campaign).rotateCodec},
	{"change the password", 3, 2 * time.Second, false, always, (*campaign).changePassword},
	{"change the share", 6, 3 * time.Second, false, unharmed, (*campaign).changeShare},
	{"restore", 6, 3 * time.Second, false, func(m *model) bool { return m.restored == "" && len(m.here().restorable()) > 0 }, (*campaign).restore},
	{"undo a restore", 8, 2 * time.Second, false, func(m *model) bool { return m.restored != "" && m.restoredAt == m.current }, (*campaign).undo},
	{"prune", 2, time.Second, false, always, (*campaign).prune},
	{"adopt settings", 2, 2 * time.Second, true, always, (*campaign).adoptSettings},
	{"adopt the share", 2, 4 * time.Second, true, func(m *model) bool { return unharmed(m) && (m.restored == "" || m.restoredAt == m.current) }, (*campaign).adoptShare},
	{"show and list", 3, time.Second, false, always, (*campaign).show},
	{"ask for what is wrong", 4, time.Second, true, always, (*campaign).wrong},
	{"damage a backup", 4, time.Second, true, mayDamage, (*campaign).damage},
	{"heal a backup", 30, time.Second, true, harmed, (*campaign).healOne},
	{"damage the ledger", 2, time.Second, true, unharmed, (*campaign).damageLedger},
	{"put an earlier database back", 2, time.Second, true, unharmed, (*campaign).rollBack},
	{"put foreign files", 3, time.Second, true, always, (*campaign).putForeign},
}

// drawAction draws one of those that can be done now.
func (c *campaign) drawAction() action {
	total := 0
	for _, a := range actions {
		if a.ready(c.model) {
			total += a.weight
		}
	}
	n := c.random.IntN(total)
	for _, a := range actions {
		if !a.ready(c.model) {
			continue
		}
		if n -= a.weight; n < 0 {
			return a
		}
	}
	panic("no action was drawn")
}

// one draws one of several.
func one[T any](c *campaign, all []T) T { return all[c.random.IntN(len(all))] }

// begin makes the keys and enables the instance.
func (c *campaign) begin() {
	for _, key := range allKeys {
		made := parsed[struct{ Recipient string }](c, c.good("key", "generate", "--out", c.site.file(key)))
		c.model.publicOf[key] = made.Recipient
	}
	c.model.keys = []string{allKeys[0]}
	c.good("enable", "--share", c.unc(0), "--username", c.site.files.User(), "--password-file", c.site.file("password"), "--recipient", c.model.publicOf[allKeys[0]])
	c.model.here().used = true
	c.trustSigners()
	before := digestsOf(c, "target")
	c.model.target = before
}

// digestsOf are those of a folder of the site.
func digestsOf(c *campaign, name string) map[string]string {
	c.t.Helper()
	all, err := digests(c.site.file(name))
	if err != nil {
		c.diverge("%s cannot be read: %v", name, err)
	}
	return all
}

// prune removes nothing: no backup here is as old as the shortest time that one is kept.
func (c *campaign) prune() {
	if c.random.IntN(2) == 0 {
		c.finished(nil, "schedule", "set", "--keep", fmt.Sprint(2+c.random.IntN(13)), "--keep-verified", fmt.Sprint(1+c.random.IntN(3)), "--yes")
		return
	}
	a, ok := c.tried("prune", one(c, []string{"--yes", "--dry-run"}))
	if ok {
		out := parsed[struct{ Removed []string }](c, a)
		c.must(len(out.Removed) == 0, "nothing is removed before its time", "%s", a)
	}
}

// show runs what only looks, and reads its JSON.
func (c *campaign) show() {
	commands := [][]string{
		{"backup", "list"}, {"settings", "show"}, {"settings", "history"}, {"alert", "list"}, {"schedule", "show"}, {"doctor"}, {"version"},
		append([]string{"restore", "list"}, c.identities()...), {"codec-key", "list"}, {"prune", "--dry-run"},
	}
	if whole := c.model.here().whole(); len(whole) > 0 {
		b := one(c, whole)
		commands = append(commands, []string{"backup", "show", b.id},
			append([]string{"restore", "extract", b.id, "--service", "ARM", "--list"}, c.identities()...))
		if len(whole) > 1 {
			commands = append(commands, append([]string{"backup", "diff", whole[0].id, whole[1].id}, c.identities()...))
		}
	}
	tried := false
	for range 4 {
		args := one(c, commands)
		a := c.command(args...)
		alright := a.code == 0 || args[0] == "doctor" || args[1] == "extract" && a.errorCode() == "ITEM_NOT_FOUND"
		c.must(alright || c.faulty(), "what nothing is in the way of succeeds", "%s", a)
		tried = tried || args[0] == "doctor"
	}
	if tried && c.faulty() { // it removes what one before it had to leave
		c.settle()
		c.must(c.command("doctor").code != 9, "doctor reaches the share again", "")
	}
}

// wrong asks for what has to be refused.
func (c *campaign) wrong() {
	m, s := c.model, c.site
	nowhere := "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"
	switch c.random.IntN(9) {
	case 0:
		c.refused([]string{"SHARE_AUTH_FAILED"}, "credentials", "set", "--password-file", s.file("wrong"))
	case 1:
		c.refused([]string{"SHARE_PATH_NOT_FOUND"}, "share", "set", s.files.UNC()+`\no\such\folder`)
	case 2:
		c.refused([]string{"SHARE_NOT_FOUND"}, "share", "set", `\\`+address+`\nosuchshare`, "--copy")
	case 3:
		c.refused([]string{"KEY_INVALID"}, "key", "set", "--recipient", "age1qqqq")
	case 4:
		c.refused([]string{"BACKUP_NOT_FOUND"}, "backup", "delete", nowhere, "--yes")
	case 5:
		c.refused([]string{"BACKUP_NOT_FOUND"}, "backup", "verify", nowhere)
	case 6:
		c.refused([]string{"ALREADY_ENABLED"}, "enable", "--share", c.unc(m.current), "--username", s.files.User(), "--password-file", s.file("password"), "--recipient", m.publicOf[allKeys[0]])
	case 7:
		c.refused([]string{"ITEM_NOT_FOUND", "PLAN_INVALID", "BACKUP_NOT_FOUND"}, "restore", "apply", strings.Repeat("ab", 32), "--identity", s.file(allKeys[0]), "--yes")
	case 8:
		whole := m.here().restorable()
		if len(whole) == 0 {
			return
		}
		b := one(c, whole)
		for _, key := range allKeys {
			if !slices.Contains(b.keys, key) {
				c.refused([]string{"KEY_DOES_NOT_FIT"}, "restore", "plan", b.id, "--identity", s.file(key), "--target", "site-c")
				return
			}
		}
	}
}
