package campaign

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

// mark gives the CA a file that is another one for each backup.
func (c *campaign) mark() string {
	c.site.authority.Lock()
	defer c.site.authority.Unlock()
	token := fmt.Sprintf("%d-%d-%d", c.seed, len(c.lines), c.random.Uint64())
	c.site.write("ca/token", token)
	return token
}

// published is what lies in the folder of finished backups, but for foreign entries.
func (c *campaign) published() map[string]bool {
	out := map[string]bool{}
	for _, name := range names(filepath.Join(c.root(c.model.current), "backups")) {
		if !strings.HasPrefix(name, foreignPrefix) {
			out[name] = true
		}
	}
	return out
}

// takeUp adds a backup that was published since to the model, nil for none: at most one may be
// there.
func (c *campaign) takeUp(before map[string]bool, token string, authority map[string]string) *held {
	c.t.Helper()
	came := c.takeUpAll(before, token, authority)
	c.must(len(came) <= 1, "one backup of one run", "%d", len(came))
	if len(came) == 0 {
		return nil
	}
	return came[0]
}

// takeUpAll adds all that were published since.
func (c *campaign) takeUpAll(before map[string]bool, token string, authority map[string]string) (came []*held) {
	c.t.Helper()
	for name := range c.published() {
		if before[name] {
			continue
		}
		dir := filepath.Join(c.root(c.model.current), "backups", name)
		m, err := manifestOf(dir)
		c.must(err == nil && strings.HasSuffix(name, "_"+m.BackupID), "a backup has its manifest", "%v: %s", err, dir)
		b := &held{id: m.BackupID, folder: name, token: token, keys: slices.Clone(c.model.keys), partial: m.Status == "PartialSucceeded"}
		for _, service := range services {
			if !m.has(service) {
				c.must(b.partial && c.faulty(), "no service is missing without a reason", "%s: %s", dir, service)
				c.say("  %s was not captured", service)
			}
		}
		if m.has("CA") {
			b.authority = authority
		}
		c.model.here().backups[b.id], c.model.here().unclean = b, false
		c.counts["backups of the campaign"]++
		came = append(came, b)
	}
	return came
}

// authorityNow are the files of the CA.
func (c *campaign) authorityNow() map[string]string {
	c.site.authority.Lock()
	defer c.site.authority.Unlock()
	all := digestsOf(c, "ca")
	for name := range all {
		if strings.HasSuffix(name, "/") {
			delete(all, name)
		}
	}
	return all
}

func (c *campaign) backUp() {
	token := c.mark()
	authority, before := c.authorityNow(), c.published()
	a := c.command("backup", "start", "--wait")
	c.settle()
	b := c.takeUp(before, token, authority)
	switch {
	case a.code == 0 || a.code == 3:
		done := parsed[listed](c, a)
		c.must(b != nil && b.id == done.BackupID && strings.HasSuffix(done.Path, b.folder) && b.partial == (a.code == 3), "what was said to be made is there", "%s", a)
	case !c.faulty():
		c.diverge("a backup failed without a reason: %s", a)
	case b != nil:
		// The command could not see the end; a run that said that it had failed has none.
		unseen := []string{"", "TEMPORAL_UNREACHABLE", "NO_WORKER"}
		c.must(slices.Contains(unseen, a.errorCode()), "what failed is not there", "%s: %s", a, b.folder)
	}
}

func (c *campaign) cancel() {
	token := c.mark()
	authority, before := c.authorityNow(), c.published()
	moment := time.Duration(c.random.Int64N(int64(3 * time.Second)))
	begun := c.command("backup", "start")
	pause(c.t.Context(), moment)
	a := c.command("backup", "cancel")
	c.settle()
	b := c.takeUp(before, token, authority)
	if !c.faulty() {
		c.must(begun.code == 0, "what nothing is in the way of succeeds", "%s", begun)
		c.must(a.code == 0 || b != nil, "a backup is cancelled, or was finished before", "%s", a)
	}
	if b == nil {
		c.model.here().unclean = c.faulty() // what a run has begun it removes, unless a fault is in its way
	}
	c.say("  after %s: exit code %d, finished %t", moment.Round(time.Millisecond), a.code, b != nil)
}

func (c *campaign) twice() {
	token := c.mark()
	authority, before := c.authorityNow(), c.published()
	var answers [2]answer
	var both sync.WaitGroup
	for i := range answers {
		both.Go(func() { answers[i] = c.site.run("backup", "start", "--wait", "-o", "json") })
	}
	both.Wait()
	c.settle()
	came := c.takeUpAll(before, token, authority)
	said := 0
	for _, a := range answers {
		c.must(!a.hung && a.errorCode() != "INTERNAL", "a command ends", "%s", a)
		if a.code == 0 || a.code == 3 {
			said++
		}
	}
	// Where one of them comes late, the first has ended by then.
	c.must(said <= len(came), "what was said to be made is there", "%s\n%s", answers[0], answers[1])
	c.oneAtATime()
	if !c.faulty() && said < 2 {
		c.must(said == 1 && len(came) == 1, "one of two starts makes a backup", "%s\n%s", answers[0], answers[1])
		c.must(answers[0].errorCode() == "BACKUP_RUNNING" || answers[1].errorCode() == "BACKUP_RUNNING", "one run at a time", "%s\n%s", answers[0], answers[1])
	}
}

// oneAtATime compares the times of the runs that Temporal has of backups.
func (c *campaign) oneAtATime() {
	c.t.Helper()
	runs, err := c.site.client.ListWorkflow(c.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: "default", Query: fmt.Sprintf("WorkflowId = %q", instance+":backup"),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	var last time.Time                       // when the newer one began
	for _, e := range runs.GetExecutions() { // newest first
		c.must(last.IsZero() || !e.GetCloseTime().AsTime().After(last), "one run at a time", "%v", e)
		last = e.GetStartTime().AsTime()
	}
}

func (c *campaign) verifyOne() {
	b := one(c, c.model.here().all())
	a := c.command("backup", "verify", b.id)
	c.judged(b, a)
}

func (c *campaign) verifyDeep() {
	b := one(c, c.model.here().all())
	a := c.command("backup", "verify", b.id, "--identity", c.site.file(one(c, b.keys)))
	c.judged(b, a)
}

// judged compares a verdict with the model: a fault may keep it from coming, and not make it
// another one.
func (c *campaign) judged(b *held, a answer) {
	c.t.Helper()
	if c.faulty() && a.code != 0 && a.code != 7 {
		c.must(a.code != 8 || b.damaged != "", "a fault is no damage", "%s", a)
		return
	}
	if b.damaged == "" {
		c.must(a.code == 0, "what was not damaged is good", "%s", a)
		return
	}
	c.must(a.code == 7, "what was damaged is noticed", "%s %s: %s", b.folder, b.damaged, a)
}

func (c *campaign) verifyAll() {
	a := c.command("backup", "verify", "--all")
	if !c.faulty() || a.code == 0 || a.code == 7 {
		c.audited(a)
	}
}

// audited compares an audit with the model.
func (c *campaign) audited(a answer) {
	c.t.Helper()
	c.must(a.code == 0 || a.code == 7, "all can be verified", "%s", a)
	found := parsed[audit](c, a)
	here := c.model.here()
	c.must((a.code == 0) == (len(here.damaged()) == 0), "damage has its exit code", "%s", a)
	seen := map[string]bool{}
	for _, v := range found.Backups {
		b := here.backups[v.BackupID]
		c.must(b != nil && !seen[v.BackupID], "exactly the backups of the model are verified", "%s: %s", v.BackupID, a)
		seen[v.BackupID] = true
		c.must((len(v.Findings) == 0) == (b.damaged == ""), "exactly what was damaged is found", "%s %q: %s", b.folder, b.damaged, a)
	}
	c.must(len(seen) == len(here.backups), "exactly the backups of the model are verified", "%d of %d: %s", len(seen), len(here.backups), a)
	c.must(found.HeadKnown, "the head of the ledger is known", "%s", a)
	if len(here.damaged()) == 0 {
		c.must(len(found.Findings) == 0, "the ledger is good", "%s", a)
	}
}

func (c *campaign) remove() {
	b := one(c, c.model.here().all())
	c.finished([]string{"BACKUP_NOT_FOUND"}, "backup", "delete", b.id, "--yes")
	delete(c.model.here().backups, b.id)
}
