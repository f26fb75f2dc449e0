package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// reading is a backup, and a restic repository with the same files, both on the share.
type reading struct {
	*product
	folder string // of the backup, relative to the share
	part   string // its largest file
	files  []string
	bytes  int64 // of all its files
	item   string
	out    string // where things are restored to
}

// measureReading compares how a backup is verified, and how things are taken out of it, with
// other tools that read the same files, and with restic, which reads its own repository of
// the same data: one incompressible file, and many small ones.
func (b *bench) measureReading(ctx context.Context, sizeMiB, items int, wants func(section string) bool) (err error) {
	data := filepath.Join(b.dir, "reading")
	if err := writeItems(filepath.Join(data, "items"), items); err != nil {
		return err
	}
	if err := writeRandom(filepath.Join(data, blobName), int64(sizeMiB)*mib); err != nil {
		return err
	}
	if err := b.empty(); err != nil {
		return err
	}
	p, err := b.newProduct(ctx, "reading", data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.remove(), os.RemoveAll(data), b.empty()) }()
	if err := p.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.enable(ctx); err != nil {
		return err
	}
	if _, err := p.backup(ctx); err != nil {
		return err
	}
	r := &reading{product: p, out: filepath.Join(b.dir, "restored"), item: itemPath("items", items-1)}
	if err := r.look(); err != nil {
		return err
	}
	if installed("restic") {
		if _, _, err := b.script(ctx, `restic -q init && cd `+data+` && restic -q backup .`); err != nil {
			return err
		}
	}
	if wants("verify") {
		if err := r.measureVerify(ctx); err != nil {
			return err
		}
	}
	if wants("extract") {
		return r.measureExtract(ctx, sizeMiB)
	}
	return nil
}

// blobName is the large file.
const blobName = "blob"

// look finds out what the backup is.
func (r *reading) look() error {
	folders, err := r.folders()
	if err != nil {
		return err
	}
	r.folder = folders[0]
	entries, err := os.ReadDir(filepath.Join(r.lab.FileServer().ShareDir(), r.folder))
	if err != nil {
		return err
	}
	var largest int64
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s in the backup is no file", entry.Name())
		}
		r.files = append(r.files, entry.Name())
		r.bytes += info.Size()
		if info.Size() > largest {
			largest, r.part = info.Size(), entry.Name()
		}
	}
	return r.copySigners()
}

// get is a command that writes files of the backup to standard output.
func (r *reading) get(files ...string) string {
	var commands []string
	for _, file := range files {
		commands = append(commands, "get "+file+" -")
	}
	return fmt.Sprintf(`%s -D '%s' -c '%s'`, smbclient, r.folder, strings.Join(commands, "; "))
}

// measureVerify compares the check of a backup with reading and hashing the same files.
func (r *reading) measureVerify(ctx context.Context) error {
	all := r.get(r.files...)
	if err := r.same(ctx, all+" | wc -c", fmt.Sprint(r.bytes)); err != nil {
		return err
	}
	_, err := r.compare(ctx, fmt.Sprintf("Verify a backup of %.0f MB", float64(r.bytes)/1e6), r.bytes, []contender{
		{name: "backup verify, by a worker", run: func(ctx context.Context, _ int) (figure, error) {
			return r.byWorker(r.cli(ctx, "backup", "verify", "latest"))
		}},
		contender{name: "backup verify --share, by the command", run: func(ctx context.Context, _ int) (figure, error) {
			return r.timed(r.cli(ctx, append([]string{"backup", "verify", "latest"}, r.fromShare()...)...))
		}}.counted(),
		r.tool("smbclient get and sha256sum of the same files", "smbclient", all+" | sha256sum > /dev/null").atMost(maxVerify).counted(),
		r.tool("restic check --read-data over rclone", "restic", "restic -q check --read-data").atMost(maxVerifyRestic).counted(),
	})
	return err
}

// Goals of reading. A verification does what hashing the same files does, and a few
// requests more; an extraction does what age, zstd and tar do, and hashes beside it.
// Restic reads what is as large. A single item must not cost what its part costs.
const (
	maxVerify        = 1.25
	maxVerifyRestic  = 0.5
	maxExtract       = 1.25
	maxExtractRestic = 0.75
	maxItem          = 0.25
	maxItemRestic    = 1
)

// measureExtract compares taking out a service, and one small file of it, with the tools
// that open a backup without the product, and with restic.
func (r *reading) measureExtract(ctx context.Context, sizeMiB int) error {
	// Without the product the key comes first, see OPERATIONS.md.
	open := fmt.Sprintf(`%s | age -d -i %s > %s; %s | age -d -i %s | zstd -dqc | `, r.get("key.age"), r.identity(0), r.ownKey(), r.get(r.part), r.ownKey())
	size := int64(sizeMiB) * mib
	_, err := r.compare(ctx, "Extract a service", r.bytes, []contender{
		r.into(blobName, size, contender{name: "restore extract --share --service CA", run: func(ctx context.Context, _ int) (figure, error) {
			return r.timed(r.cli(ctx, append([]string{"restore", "extract", "latest", "--identity", r.identity(0), "--service", "CA", "--to", r.out}, r.fromShare()...)...))
		}}).counted(),
		r.into(blobName, size, r.tool("smbclient get, age -d, zstd -d, tar x", "age", open+"tar x -C "+r.out)).atMost(maxExtract).counted(),
		r.into(blobName, size, r.tool("restic restore over rclone", "restic", "restic -q restore latest --target "+r.out)).atMost(maxExtractRestic).counted(),
	})
	if err != nil {
		return err
	}
	id, err := r.itemID(ctx)
	if err != nil {
		return err
	}
	_, err = r.compare(ctx, "Extract one file of 2 KiB", itemSize, []contender{
		r.into("", itemSize, contender{name: "restore extract --share --item", run: func(ctx context.Context, _ int) (figure, error) {
			return r.timed(r.cli(ctx, append([]string{"restore", "extract", "latest", "--identity", r.identity(0), "--service", "CA", "--item", id, "--to", r.out}, r.fromShare()...)...))
		}}).counted(),
		r.into("", itemSize, r.tool("smbclient get, age -d, zstd -d, tar x of one file", "age", open+"tar xO --wildcards '*/"+r.item+"' > "+filepath.Join(r.out, "item"))).atMost(maxItem).counted(),
		r.into("", itemSize, r.tool("restic dump over rclone", "restic", "restic -q dump latest /"+r.item+" > "+filepath.Join(r.out, "item"))).atMost(maxItemRestic).counted(),
	})
	return err
}

func (r *reading) ownKey() string { return filepath.Join(r.dir, "backup.key") }

// itemID is what the product calls the small file.
func (r *reading) itemID(ctx context.Context) (string, error) {
	listed, err := r.cli(ctx, append([]string{"restore", "extract", "latest", "--identity", r.identity(0), "--service", "CA", "--list"}, r.fromShare()...)...).Output()
	if err != nil {
		return "", err
	}
	for field := range strings.FieldsSeq(string(listed)) {
		if strings.HasSuffix(field, r.item) {
			return field, nil
		}
	}
	return "", fmt.Errorf("the backup lists no %s", r.item)
}

// into has a contender restore to an empty folder, and makes sure that a file of that size
// came there; without a name it is the only one.
func (r *reading) into(name string, size int64, c contender) contender {
	run := c.run
	c.run = func(ctx context.Context, n int) (figure, error) {
		if err := errors.Join(os.RemoveAll(r.out), os.Mkdir(r.out, 0o700)); err != nil {
			return figure{}, err
		}
		f, err := run(ctx, n)
		if err != nil {
			return f, err
		}
		if err := restored(r.out, name, size); err != nil {
			return f, err
		}
		return f, os.RemoveAll(r.out)
	}
	return c
}

func restored(dir, name string, size int64) error {
	found := false
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || name != "" && entry.Name() != name {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Size() != size {
			err = fmt.Errorf("%s has %d bytes and not %d", entry.Name(), info.Size(), size)
		}
		found = true
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("no file %s was restored", name)
	}
	return err
}

// same makes sure that a command prints what it should.
func (r *reading) same(ctx context.Context, command, want string) error {
	_, printed, err := r.script(ctx, command)
	if err == nil && strings.TrimSpace(printed) != want {
		err = fmt.Errorf("%s printed %s and not %s", command, printed, want)
	}
	return err
}
