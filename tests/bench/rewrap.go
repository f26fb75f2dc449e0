package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"infrabackup/internal/backup"
)

const (
	// rewrapped is how many backups get another key.
	rewrapped = 4
	// rewrappedMiB is how large each of them is. A rewrap does not read that.
	rewrappedMiB = 64
	// maxRewrap is of encrypting everything again, and maxRewrapRequests what one backup may
	// cost the share: no more than a small backup as a whole.
	maxRewrap         = 0.25
	maxRewrapRequests = maxBackupRequests
)

// measureRewrap compares giving backups another key with what other tools have for that:
// the same step without signatures and ledger, encrypting everything again, which those need who have no
// key of the backup's own, and another key for a restic repository, which is one for all its
// backups.
func (b *bench) measureRewrap(ctx context.Context) (err error) {
	data := filepath.Join(b.dir, blobName)
	if err := writeRandom(data, rewrappedMiB*mib); err != nil {
		return err
	}
	if err := b.empty(); err != nil {
		return err
	}
	p, err := b.newProduct(ctx, "rewrap", data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.remove(), os.RemoveAll(data), b.empty()) }()
	if err := p.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	// All of it goes over the link, as the settings name the share: so few bytes cost no time
	// there.
	return b.linked(countingAddress, 0, func() error { return p.rewrap(ctx, data) })
}

func (p *product) rewrap(ctx context.Context, data string) error {
	if err := p.enable(ctx); err != nil {
		return err
	}
	for range rewrapped {
		if _, err := p.backup(ctx); err != nil {
			return err
		}
	}
	folders, err := p.folders()
	if err != nil {
		return err
	}
	if installed("restic") {
		if _, _, err := p.script(ctx, "restic -q init && restic -q backup "+data); err != nil {
			return err
		}
	}
	all, err := p.compare(ctx, fmt.Sprintf("Give %d backups of %d MiB another key", rewrapped, rewrappedMiB), 0, []contender{
		{name: "key rewrap", run: p.rewrapOnce},
		p.withKeys("smbclient, age -d, age -r: the key files alone, neither signed nor read back", keyFilesAgain(folders)),
		p.withKeys("smbclient, age -d, age -r, smbclient: all parts again", partsAgain(folders)).atMost(maxRewrap),
		p.tool("restic key add over rclone", "restic", `echo other > "$DIR/password"; restic -q key add --new-password-file "$DIR/password"`, "DIR="+p.dir),
	})
	if err != nil {
		return err
	}
	p.goals = append(p.goals, goal{"Give one backup another key", float64(mostRequests(all[0].figures).Requests) / rewrapped, "requests", "", 0, maxRewrapRequests})
	return nil
}

// rewrapOnce makes another key current, which does not count, and gives it to the backups.
func (p *product) rewrapOnce(ctx context.Context, n int) (figure, error) {
	recipient, err := p.newIdentity(n + 1)
	if err != nil {
		return figure{}, err
	}
	if _, err := p.timed(p.cli(ctx, "key", "set", "--recipient", recipient)); err != nil {
		return figure{}, err
	}
	return p.byWorker(p.cli(ctx, "key", "rewrap", "--identity", p.identity(n)))
}

// withKeys is a script that opens the backups, which has the key that they were given in
// the same round.
func (p *product) withKeys(name, command string) contender {
	return contender{name: name, program: "age", run: func(ctx context.Context, n int) (figure, error) {
		dir := filepath.Join(p.dir, "peer")
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
			return figure{}, err
		}
		recipient, err := p.newIdentity(otherIdentity)
		if err != nil {
			return figure{}, err
		}
		f, _, err := p.script(ctx, command, "DIR="+dir, "KEY="+p.identity(n+1), "RECIPIENT="+recipient)
		return f, err
	}}
}

// otherIdentity is the number of a key that no backup of the product has.
const otherIdentity = 1 << 20

// keyFilesAgain fetches the key files at once, wraps each, and writes them at once, beside
// the backups.
func keyFilesAgain(folders []string) string {
	var gets, wraps, puts []string
	for i, folder := range folders {
		gets = append(gets, fmt.Sprintf("get %s/key.age %d", folder, i))
		wraps = append(wraps, fmt.Sprintf(`age -d -i "$KEY" %d | age -r "$RECIPIENT" > %d.new`, i, i))
		puts = append(puts, fmt.Sprintf("put %d.new peer-key-%d", i, i))
	}
	return fmt.Sprintf("cd \"$DIR\"\n%s -c '%s'\n%s\n%s -c '%s'", smbclient, strings.Join(gets, "; "), strings.Join(wraps, "\n"), smbclient, strings.Join(puts, "; "))
}

// partsAgain has every backup's part opened and encrypted to another key on its way.
func partsAgain(folders []string) string {
	lines := []string{`cd "$DIR"`}
	for i, folder := range folders {
		lines = append(lines,
			fmt.Sprintf(`%s -D '%s' -c 'get key.age -' | age -d -i "$KEY" > own`, smbclient, folder),
			fmt.Sprintf(`%s -D '%s' -c 'get %s -' | age -d -i own | age -r "$RECIPIENT" | %s -c 'put - peer-part-%d'`, smbclient, folder, backup.PartFile(backup.CA), smbclient, i))
	}
	return strings.Join(lines, "\n")
}
