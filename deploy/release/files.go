package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// file is one file of a package. Its path is where a Debian system has it.
type file struct {
	path string
	mode fs.FileMode
	data []byte
}

// bundle is what is published for one architecture.
type bundle struct {
	files    []file // sorted by path
	source   string
	programs map[string]string // path of each, by name
	commit   string
	modified time.Time
}

const docs = "usr/share/doc/infrabackup/"

// documents are files of the repository, by where they come to lie.
var documents = map[string]string{
	docs + "README.md":                                        "README.md",
	docs + "OPERATIONS.md":                                    "deploy/OPERATIONS.md",
	docs + "TEMPORAL.md":                                      "deploy/TEMPORAL.md",
	docs + "THREATS.md":                                       "deploy/THREATS.md",
	docs + "CHANGELOG.md":                                     "deploy/CHANGELOG.md",
	docs + "FORMAT.md":                                        "internal/backup/FORMAT.md",
	docs + "copyright":                                        "LICENSE",
	docs + "examples/temporal/certificates.sh":                "deploy/temporal/certificates.sh",
	docs + "examples/temporal/database.sql":                   "deploy/temporal/database.sql",
	docs + "examples/temporal/dynamic.yaml":                   "deploy/temporal/dynamic.yaml",
	docs + "examples/temporal/pg_hba.conf":                    "deploy/temporal/pg_hba.conf",
	docs + "examples/temporal/postgresql.conf":                "deploy/temporal/postgresql.conf",
	docs + "examples/temporal/temporal-keys.service":          "deploy/temporal/temporal-keys.service",
	docs + "examples/temporal/temporal.service":               "deploy/temporal/temporal.service",
	docs + "examples/temporal/temporal.yaml":                  "deploy/temporal/temporal.yaml",
	docs + "examples/temporal/token.sh":                       "deploy/temporal/token.sh",
	docs + "examples/worker.yaml":                             "deploy/worker.example.yaml",
	docs + "examples/serve.yaml":                              "deploy/serve.example.yaml",
	"usr/lib/systemd/system/infrabackup-worker.service":       "deploy/systemd/infrabackup-worker.service",
	"usr/lib/systemd/system/infrabackup-serve.service":        "deploy/systemd/infrabackup-serve.service",
	"usr/lib/systemd/system/infrabackup-codec-server.service": "deploy/systemd/infrabackup-codec-server.service",
	"usr/lib/sysusers.d/infrabackup.conf":                     "deploy/debian/sysusers.conf",
	"usr/share/man/man8/infrabackup-worker.8":                 "deploy/debian/infrabackup-worker.8",
}

// completions are what the program itself writes for shells.
var completions = map[string]string{
	"bash": "usr/share/bash-completion/completions/infrabackup",
	"zsh":  "usr/share/zsh/vendor-completions/_infrabackup",
	"fish": "usr/share/fish/vendor_completions.d/infrabackup.fish",
}

// files gathers what is published for an architecture.
func (r *release) files(ctx context.Context, b *built, arch string) (_ *bundle, err error) {
	p := &bundle{source: b.source, programs: map[string]string{}, commit: b.commit, modified: b.modified}
	add := func(to string, mode fs.FileMode, from string) error {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		p.files = append(p.files, file{to, mode, data})
		return nil
	}
	for name := range programs {
		p.programs[name] = b.program(arch, name)
		if err := add("usr/bin/"+name, 0o755, b.program(arch, name)); err != nil {
			return nil, err
		}
	}
	for to, from := range documents {
		if err := add(to, 0o644, filepath.Join(b.source, from)); err != nil {
			return nil, err
		}
	}
	own, err := r.runnable(ctx, b)
	if err != nil {
		return nil, err
	}
	for shell, to := range completions {
		script, err := output(ctx, b.source, own, "completion", shell)
		if err != nil {
			return nil, err
		}
		p.files = append(p.files, file{to, 0o644, script})
	}
	pages, err := os.MkdirTemp("", "infrabackup-pages")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(pages)) }()
	if _, err := output(ctx, b.source, own, "manual", "--dir", pages, "--date", b.modified.Format(time.DateOnly)); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(pages)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := add("usr/share/man/man1/"+e.Name(), 0o644, filepath.Join(pages, e.Name())); err != nil {
			return nil, err
		}
	}
	for i, f := range p.files { // Debian's policy wants pages compressed
		if strings.HasPrefix(f.path, "usr/share/man/") {
			data, err := compressed(f.data)
			if err != nil {
				return nil, err
			}
			p.files[i].path, p.files[i].data = f.path+".gz", data
		}
	}
	slices.SortFunc(p.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return p, nil
}

// runnable is the program for this machine, which writes its own pages and completions.
func (r *release) runnable(ctx context.Context, b *built) (string, error) {
	if slices.Contains(r.arch, runtime.GOARCH) && runtime.GOOS == "linux" {
		return b.program(runtime.GOARCH, "infrabackup"), nil
	}
	path := filepath.Join(b.dir, "..", "infrabackup-here")
	_, err := output(ctx, b.source, "go", "build", "-buildvcs=false", "-ldflags", "-X infrabackup/internal/build.version="+r.version, "-o", path, programs["infrabackup"])
	return path, err
}

// compressed is data as "gzip -n" writes it: without a name and a time.
func compressed(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// archive writes everything below one folder into a compressed tar file, in an order and with
// times and owners that are the same each time.
func (p *bundle) archive(path, top string) error {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range p.files {
		err := w.WriteHeader(&tar.Header{Name: top + "/" + strings.TrimPrefix(f.path, "usr/"), Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: p.modified, Uname: "root", Gname: "root", Format: tar.FormatUSTAR})
		if err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	data, err := compressed(out.Bytes())
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
