package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// programs are what is published, by the package that each is made of.
var programs = map[string]string{"infrabackup": "./starter", "infrabackup-worker": "./worker"}

// built is one build.
type built struct {
	source   string // what was committed
	dir      string // programs, in a folder for each architecture
	commit   string
	modified time.Time // of the commit
}

func (b *built) program(arch, name string) string { return filepath.Join(b.dir, arch, name) }

// build exports what is committed and builds it there, with a cache of its own, so that
// nothing of an earlier build is in it, unless it is built once only.
func (r *release) build(ctx context.Context, dir string) (*built, error) {
	b := &built{source: filepath.Join(dir, "source"), dir: filepath.Join(dir, "programs")}
	commit, err := output(ctx, r.tree, "git", "log", "-1", "--format=%H %ct")
	if err != nil {
		return nil, err
	}
	id, seconds, _ := strings.Cut(strings.TrimSpace(string(commit)), " ")
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("git tells no time of the commit: %w", err)
	}
	b.commit, b.modified = id, time.Unix(at, 0).UTC()
	if err := os.MkdirAll(b.source, 0o755); err != nil {
		return nil, err
	}
	exported, err := output(ctx, r.tree, "git", "archive", "--format=tar", id)
	if err != nil {
		return nil, err
	}
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", b.source)
	unpack.Stdin = bytes.NewReader(exported)
	if out, err := unpack.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("unpack what was committed: %w: %s", err, out)
	}
	for _, arch := range r.arch {
		for name, pkg := range programs {
			cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
				"-ldflags", "-s -w -X infrabackup/internal/build.version="+r.version, "-o", b.program(arch, name), pkg)
			cmd.Dir = b.source
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOFLAGS=")
			if !r.once {
				cmd.Env = append(cmd.Env, "GOCACHE="+filepath.Join(dir, "cache"))
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("build %s for %s: %w\n%s", name, arch, err, out)
			}
		}
	}
	return b, nil
}

// same makes sure that two builds are the same, byte for byte.
func same(first, second *built) error {
	return filepath.WalkDir(first.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(first.dir, path)
		if err != nil {
			return err
		}
		one, errOne := os.ReadFile(path)
		two, errTwo := os.ReadFile(filepath.Join(second.dir, name))
		if err := errors.Join(errOne, errTwo); err != nil {
			return err
		}
		if !bytes.Equal(one, two) {
			return fmt.Errorf("%s is another one when it is built again: %x and %x", name, sha256.Sum256(one), sha256.Sum256(two))
		}
		return nil
	})
}

// output runs a program and returns what it prints.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out, nil
}
