package campaign

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// damage changes or removes one file of a backup.
func (c *campaign) damage() {
	b := one(c, c.model.here().whole())
	dir := filepath.Join(c.root(c.model.current), "backups", b.folder)
	name := one(c, slices.DeleteFunc(names(dir), func(name string) bool { return strings.HasPrefix(name, foreignPrefix) }))
	path := filepath.Join(dir, name)
	before, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	how := one(c, []string{"changed", "removed", "cut", "longer"})
	changed := bytes.Clone(before)
	at := c.random.IntN(len(before))
	switch how {
	case "changed":
		changed[at] ^= 1 << c.random.IntN(8)
	case "cut":
		changed = changed[:at]
	case "longer":
		changed = append(changed, 'x')
	}
	if how == "removed" {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, changed, 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.counts["damages of the campaign"]++
	b.damaged = name
	b.heal = func() error { return os.WriteFile(path, before, 0o600) }
	c.say("  %s of %s was %s at %d of %d", name, b.folder, how, at, len(before))
	c.judged(b, c.command("backup", "verify", b.id))
	if c.random.IntN(2) == 0 { // what is damaged is read several times, which takes a while
		c.healOne()
	}
}

func (c *campaign) healOne() {
	b := one(c, c.model.here().damaged())
	if err := b.heal(); err != nil {
		c.t.Fatal(err)
	}
	b.damaged, b.heal = "", nil
	c.judged(b, c.command("backup", "verify", b.id))
}

// foreignPrefix begins the names of what others put on the share.
const foreignPrefix = "note of "

// putForeign puts what others leave there, also into the folder of a backup.
func (c *campaign) putForeign() {
	here := c.model.here()
	if len(here.foreign) > 3 {
		c.takeForeignAway()
		return
	}
	folders := []string{"", "backups", "ledger", "staging", "incoming"}
	for _, b := range here.whole() {
		folders = append(folders, filepath.Join("backups", b.folder))
	}
	name := fmt.Sprintf("%s%d", foreignPrefix, len(c.lines))
	path := filepath.Join(c.root(c.model.current), one(c, folders), name)
	if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
		c.t.Fatal(err)
	}
	here.foreign = append(here.foreign, name)
}

// takeForeignAway removes all of that, wherever it is by now, with the folders that hold
// nothing else and are not the product's any more.
func (c *campaign) takeForeignAway() {
	here := c.model.here()
	for name, path := range c.foreignNow(c.model.current) {
		if err := os.Remove(path); err != nil {
			c.t.Fatalf("%s: %v", name, err)
		}
		if dir := filepath.Dir(path); filepath.Base(filepath.Dir(dir)) == "incoming" {
			_ = os.Remove(dir) // where that was the last
		}
	}
	here.foreign = nil
}

// foreignNow is where on a share that lies which others have put there.
func (c *campaign) foreignNow(share int) map[string]string {
	c.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(c.root(share), func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), foreignPrefix) {
			found[d.Name()] = path
		}
		return err
	})
	if err != nil {
		c.diverge("the share cannot be read: %v", err)
	}
	return found
}

// damageLedger changes or removes the newest entry of the ledger: nothing is written until it is
// put right.
func (c *campaign) damageLedger() {
	entries, _, err := c.ledger(c.model.current)
	if err != nil {
		c.diverge("the ledger is a chain: %v", err)
	}
	path := filepath.Join(c.root(c.model.current), "ledger", fmt.Sprintf("%08d.entry", len(entries)))
	before, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	removed := c.random.IntN(2) == 0
	if removed {
		err = os.Remove(path)
	} else {
		changed := bytes.Clone(before)
		changed[c.random.IntN(bytes.IndexByte(before, '\n'))] ^= 1
		err = os.WriteFile(path, changed, 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.counts["damages of the campaign"]++
	c.say("  entry %d was removed: %t", len(entries), removed)
	a := c.command("backup", "verify", "--all")
	c.must(a.code == 7, "what was damaged is noticed", "%s", a)
	c.refused([]string{"LEDGER_ROLLED_BACK", "LEDGER_DAMAGED"}, "backup", "start", "--wait")
	if all := c.model.here().all(); len(all) > 0 {
		c.refused([]string{"LEDGER_ROLLED_BACK", "LEDGER_DAMAGED"}, "backup", "delete", one(c, all).id, "--yes")
	}
	if err := os.WriteFile(path, before, 0o600); err != nil {
		c.t.Fatal(err)
	}
}
