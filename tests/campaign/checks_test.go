package campaign

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// stops are the ways in which a worker ends when it is replaced.
var stops = []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}

// check compares everything with the model. Nothing is under way.
func (c *campaign) check() {
	c.t.Helper()
	c.checkList()
	c.checkFolders()
	c.checkLeftovers()
	c.checkForeign()
	c.checkLedgers()
	c.checkKeys()
	c.checkSettings()
	c.audited(c.command("backup", "verify", "--all"))
	c.quiet()
	if c.model.restored == "" {
		diff := differing(c.model.target, digestsOf(c, "target"))
		c.must(len(diff) == 0, "the target holds what it held", "%v", diff)
	}
}

// checkList compares the product's list.
func (c *campaign) checkList() {
	c.t.Helper()
	here := c.model.here()
	seen := map[string]bool{}
	a := c.good("backup", "list")
	for _, l := range parsed[[]listed](c, a) {
		c.must(l.Status != "Running", "nothing runs", "%s", a)
		if l.Path == "" { // a run that left none
			c.must(here.backups[l.BackupID] == nil, "what failed is no backup", "%s: %s", l.BackupID, a)
			continue
		}
		b := here.backups[l.BackupID]
		c.must(b != nil && !seen[l.BackupID], "exactly the backups of the model are listed", "%s: %s", l.BackupID, a)
		seen[l.BackupID] = true
		if b.damaged == "" {
			c.must((l.Status == "PartialSucceeded") == b.partial, "a backup has its status", "%s: %s", b.folder, a)
		}
	}
	for _, b := range here.all() {
		// One whose manifest is not readable is not in the list, and is found by verifying.
		c.must(seen[b.id] || b.damaged == "manifest.json", "exactly the backups of the model are listed", "%s is missing: %s", b.id, a)
	}
}

// checkFolders looks at the folders of the backups on the share.
func (c *campaign) checkFolders() {
	c.t.Helper()
	here := c.model.here()
	want := map[string]bool{}
	for _, b := range here.all() {
		want[b.folder] = true
		dir := filepath.Join(c.root(c.model.current), "backups", b.folder)
		if b.damaged != "" {
			continue
		}
		wrong, listed := sumsHold(dir)
		c.must(wrong == "", "the files are those of the sums", "%s: %s", b.folder, wrong)
		for _, name := range names(dir) {
			own := slices.Contains(listed, name) || name == "SHA256SUMS" || name == "SHA256SUMS.sig" || strings.HasPrefix(name, foreignPrefix)
			c.must(own, "a backup has its own files only", "%s: %s", b.folder, name)
		}
	}
	for name := range c.published() {
		c.must(want[name], "exactly the backups of the model are published", "%s", name)
		delete(want, name)
	}
	c.must(len(want) == 0, "exactly the backups of the model are published", "missing %v", want)
	for i, s := range c.model.shares {
		if s.left == nil {
			continue
		}
		now, err := digests(c.root(i))
		diff := differing(s.left, now)
		c.must(err == nil && len(diff) == 0, "a share that was left stays as it is", "%v %v", err, diff)
	}
}

// checkLeftovers looks for what no backup owns.
func (c *campaign) checkLeftovers() {
	c.t.Helper()
	root := c.root(c.model.current)
	known := []string{"RECOVERY.txt", "allowed_signers", "controller.json", "backups", "ledger", "incoming", "staging", "restores"}
	for _, name := range names(root) {
		c.must(slices.Contains(known, name) || strings.HasPrefix(name, foreignPrefix), "nothing is left over on the share", "%s", name)
	}
	own := func(folder string) (out []string) {
		for _, name := range names(filepath.Join(root, folder)) {
			if !strings.HasPrefix(name, foreignPrefix) {
				out = append(out, name)
			}
		}
		return out
	}
	for _, name := range own("incoming") {
		// What others had put into the folder of a backup that was deleted.
		inside := names(filepath.Join(root, "incoming", name))
		kept := len(inside) > 0 && !slices.ContainsFunc(inside, func(name string) bool { return !strings.HasPrefix(name, foreignPrefix) })
		c.must(kept || c.model.here().unclean, "nothing is left over in incoming", "%s: %v", name, inside)
	}
	for _, name := range own("staging") {
		c.must(strings.HasPrefix(name, "settings-"), "nothing is left over in staging", "%s", name)
	}
	for _, name := range own("ledger") {
		// The format says that an append that was ended leaves a part.
		c.must(strings.Contains(name, ".entry"), "nothing is left over in the ledger", "%s", name)
	}
	for _, name := range names(c.site.file("share")) {
		c.must(slices.Contains(folders, name), "nothing is left over beside the shares", "%s", name)
	}
	for _, folder := range folders {
		for _, name := range names(filepath.Join(c.site.file("share"), folder)) {
			c.must(name == instance, "nothing is left over beside the instance", "%s/%s", folder, name)
		}
	}
	var spooled []string
	err := filepath.WalkDir(c.site.file("disk/spool"), func(path string, d os.DirEntry, err error) error {
		if err == nil && path != c.site.file("disk/spool") {
			spooled = append(spooled, path)
		}
		return err
	})
	c.must(err == nil && len(spooled) == 0, "nothing is left over in the spool", "%v %v", err, spooled)
}

// checkForeign looks for what others have put on the shares: it is not the product's to lose.
func (c *campaign) checkForeign() {
	c.t.Helper()
	for i, s := range c.model.shares {
		if len(s.foreign) == 0 {
			continue
		}
		now := c.foreignNow(i)
		for _, name := range s.foreign {
			c.must(now[name] != "", "what others put on the share stays", "%s", name)
		}
	}
}

// checkLedgers follows the chains: they grow, and what they say of the backups is so.
func (c *campaign) checkLedgers() {
	c.t.Helper()
	for i, s := range c.model.shares {
		if !s.used {
			continue
		}
		entries, sums, err := c.ledger(i)
		c.must(err == nil, "the ledger is a chain", "%v", err)
		c.must(len(sums) >= len(s.ledger) && slices.Equal(sums[:len(s.ledger)], s.ledger), "the ledger grows only", "%d entries, and %d before", len(sums), len(s.ledger))
		s.ledger = sums
		last := map[string]string{}
		for _, e := range entries {
			if e.BackupID != "" {
				last[e.BackupID] = e.Action
			}
		}
		for id, action := range last {
			gone := action == "deleted" || action == "pruned"
			c.must(gone == (s.backups[id] == nil), "the ledger says which backups there are", "%s: %s", id, action)
		}
		for id := range s.backups {
			c.must(last[id] != "", "the ledger says which backups there are", "%s is not in it", id)
		}
	}
}

// checkKeys opens every backup with every key, and one of them to its end.
func (c *campaign) checkKeys() {
	c.t.Helper()
	here := c.model.here()
	for _, b := range here.whole() {
		dir := filepath.Join(c.root(c.model.current), "backups", b.folder)
		for _, key := range allKeys {
			want := slices.Contains(b.keys, key)
			c.must(c.opens(dir, key) == want, "each backup opens with its keys and no others", "%s with %s, which are %v", b.folder, key, b.keys)
		}
	}
	if some := here.restorable(); len(some) > 0 {
		b := one(c, some)
		got, err := c.tokenIn(filepath.Join(c.root(c.model.current), "backups", b.folder), one(c, b.keys))
		c.must(err == nil && got == b.token, "stock tools open what was backed up", "%s: %v %q, not %q", b.folder, err, got, b.token)
	}
}

// checkSettings compares the active settings.
func (c *campaign) checkSettings() {
	c.t.Helper()
	now := c.settings()
	c.must(now.Share.Path == c.unc(c.model.current), "the settings hold", "share %s", now.Share.Path)
	var got, want []string
	for _, r := range now.Recipients {
		got = append(got, r.Fingerprint)
	}
	for _, key := range c.model.keys {
		want = append(want, fingerprint(c.model.publicOf[key]))
	}
	slices.Sort(got)
	slices.Sort(want)
	c.must(slices.Equal(got, want), "the settings hold", "keys %v, not %v", got, want)
}
