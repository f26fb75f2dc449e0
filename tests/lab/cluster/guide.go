package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Sections of TEMPORAL.md whose commands are run.
const (
	certificates = "Certificates"
	tokens       = "Tokens"
	database     = "Database"
	namespace    = "Start"
)

// prelude are the commands of the section on the database that come before PostgreSQL is
// restarted; the rest need it.
const prelude = "install "

// guide is what TEMPORAL.md says, and the files that go with it, changed for one cluster.
type guide struct {
	folder  string // deploy
	replace *strings.Replacer
	env     []string
}

// deployFolder finds the project's folder deploy, from the working folder upwards.
func deployFolder() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "deploy", "TEMPORAL.md")); err == nil {
			return filepath.Join(at, "deploy"), nil
		}
		if filepath.Dir(at) == at {
			return "", errors.New("deploy/TEMPORAL.md is in none of the folders above: the cluster is set up from a copy of the project")
		}
		at = filepath.Dir(at)
	}
}

// commands are the lines of a section that are to be typed: those that are indented.
func commands(document, section string) ([]string, error) {
	_, text, found := strings.Cut(document, "\n### "+section+"\n")
	if !found {
		return nil, fmt.Errorf("TEMPORAL.md has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n### ")
	var lines []string
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			lines = append(lines, strings.TrimRight(command, "\n"))
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("TEMPORAL.md has no commands in the section %q", section)
	}
	return lines, nil
}

// section are the commands of a section, changed for this cluster.
func (g *guide) section(name string) ([]string, error) {
	document, err := os.ReadFile(filepath.Join(g.folder, "TEMPORAL.md"))
	if err != nil {
		return nil, err
	}
	lines, err := commands(string(document), name)
	if err != nil {
		return nil, err
	}
	for i := range lines {
		lines[i] = g.replace.Replace(lines[i])
	}
	return lines, nil
}

// follow runs the commands of a section, in one shell.
func (g *guide) follow(ctx context.Context, section string) error {
	lines, err := g.section(section)
	if err != nil {
		return err
	}
	return g.shell(ctx, lines)
}

// shell runs commands one after the other; the first that fails ends it.
func (g *guide) shell(ctx context.Context, lines []string) error {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", strings.Join(lines, "\n"))
	cmd.Env = g.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%q: %w: %s", lines, err, out.String())
	}
	return nil
}

// copyFiles puts the files of deploy/temporal, changed for this cluster, where the commands
// expect them.
func (g *guide) copyFiles(to string) error {
	from := filepath.Join(g.folder, "temporal")
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), []byte(g.replace.Replace(string(text))), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// service is the command of a systemd unit.
func service(unit string) (string, error) {
	text, err := os.ReadFile(unit)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			return "exec " + strings.TrimSpace(command), nil
		}
	}
	return "", fmt.Errorf("%s starts nothing", unit)
}
