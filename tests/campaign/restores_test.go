package campaign

import (
	"strings"
)

// restore brings the CA back into the target.
func (c *campaign) restore() {
	b := one(c, c.model.here().restorable())
	key := c.site.file(one(c, b.keys))
	before := digestsOf(c, "target")
	a, ok := c.tried("restore", "plan", b.id, "--identity", key, "--target", "site-c", "--service", "CA")
	c.must(len(differing(before, digestsOf(c, "target"))) == 0, "a plan changes nothing in the target", "%s", a)
	if !ok {
		a = c.good("restore", "plan", b.id, "--identity", key, "--target", "site-c", "--service", "CA")
	}
	plan := parsed[struct{ PlanID string }](c, a).PlanID
	a = c.finished([]string{"PLAN_APPLIED"}, "restore", "apply", plan, "--identity", key, "--yes")
	if a.code == 0 {
		c.whole(a)
	}
	c.model.restored, c.model.restoredAt, c.model.target = plan, c.model.current, before
	c.restoredWhole(b, before)
}

// whole makes sure that a restore has done all of its steps.
func (c *campaign) whole(a answer) {
	c.t.Helper()
	done := parsed[struct {
		Totals struct{ Confirmed, Refused, Blocked, Failed, Undone, Residual int }
	}](c, a).Totals
	c.must(done.Confirmed > 0 && done.Refused+done.Blocked+done.Failed+done.Undone+done.Residual == 0, "a restore does all of its steps", "%s", a)
}

// restoredWhole compares the target with what the CA was when the backup was made.
func (c *campaign) restoredWhole(b *held, before map[string]string) {
	c.t.Helper()
	now := digestsOf(c, "target")
	for name, sum := range now {
		want, ok := b.authority[name]
		// Numbers that a CA gives go on behind those that it may have given since.
		if strings.HasSuffix(name, "/") || before[name] == sum && !ok || name == "serial" || name == "crlnumber" {
			continue
		}
		c.must(ok && want == sum, "what is restored is what was backed up", "%s", name)
	}
	for _, name := range []string{"cacert.pem", "private/cakey.pem", "index.txt", "newcerts/1000.pem"} {
		c.must(now[name] != "" && now[name] == b.authority[name], "what was backed up is restored", "%s", name)
	}
}

func (c *campaign) undo() {
	key := c.identities()
	a := c.finished([]string{"PLAN_APPLIED"}, append([]string{"restore", "undo", c.model.restored, "--yes"}, key...)...)
	if a.code == 0 {
		c.whole(a)
	}
	now := digestsOf(c, "target")
	c.must(len(differing(c.model.target, now)) == 0, "restore and undo leave the target as it was", "%v", differing(c.model.target, now))
	c.model.restored = ""
}
