package campaign

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// answer is what a command printed and its exit code.
type answer struct {
	args           []string
	code           int
	stdout, stderr string
	killed         bool // by a fault
	hung           bool // it had to be ended
}

// run runs a command of the product.
func (s *site) run(args ...string) answer {
	ctx, cancel := context.WithTimeout(context.Background(), commandBound)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "infrabackup"), args...)
	cmd.Env = append(os.Environ(), "INFRABACKUP_INSTANCE="+instance, "INFRABACKUP_CODEC_KEY_FILE="+s.file("codec.keys"),
		"TEMPORAL_ADDRESS="+s.temporal.Address())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	a := answer{args: args}
	if err := cmd.Start(); err != nil {
		return answer{args: args, code: -1, stderr: err.Error()}
	}
	s.mu.Lock()
	s.command = cmd
	s.mu.Unlock()
	_ = cmd.Wait() // the state says it
	s.mu.Lock()
	if s.command == cmd {
		s.command = nil
	}
	s.mu.Unlock()
	a.code, a.stdout, a.stderr = cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
	a.hung = ctx.Err() != nil
	a.killed = a.code == -1 && !a.hung
	return a
}

// killCommand ends the command that runs now, if there is one.
func (s *site) killCommand() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.command != nil {
		_ = s.command.Process.Kill() // it may have ended
	}
}

// errorCode is the code of a command that failed, empty for none.
func (a answer) errorCode() string {
	var doc struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal([]byte(a.stdout), &doc) != nil {
		return ""
	}
	return doc.Error.Code
}

// parsed reads the JSON of a command that succeeded.
func parsed[T any](c *campaign, a answer) T {
	c.t.Helper()
	var v T
	err := json.Unmarshal([]byte(a.stdout), &v)
	c.must(err == nil, "JSON is JSON", "%v: %s", err, a)
	return v
}

// command runs a command that answers in JSON, and holds it to what every command promises:
// it ends, its output is JSON, and what failed has a code that says why.
func (c *campaign) command(args ...string) answer {
	c.t.Helper()
	a := c.site.run(append(args, "-o", "json")...)
	c.counts["commands of the campaign"]++
	if a.code != 0 {
		c.say("  %s: exit code %d %s%s", strings.Join(args, " "), a.code, a.errorCode(), map[bool]string{true: ", killed"}[a.killed])
	}
	if a.killed && c.faulty() {
		return a
	}
	c.must(!a.hung && !a.killed, "a command ends", "%s", a)
	c.must(json.Valid([]byte(a.stdout)), "JSON is JSON", "%s", a)
	c.must(a.errorCode() != "INTERNAL", "an error is classified", "%s", a)
	return a
}

// good runs a command that has to succeed.
func (c *campaign) good(args ...string) answer {
	c.t.Helper()
	a := c.command(args...)
	c.must(a.code == 0, "what nothing is in the way of succeeds", "%s", a)
	return a
}

// tried runs a command that has to succeed, but for the fault of this step. It waits for the end
// of that, and reports whether the command said that it had succeeded.
func (c *campaign) tried(args ...string) (answer, bool) {
	c.t.Helper()
	a := c.command(args...)
	if !c.faulty() {
		c.must(a.code == 0, "what nothing is in the way of succeeds", "%s", a)
	}
	// Neither damage nor a wrong key is what a fault may be taken for.
	c.must(a.code != 7 && a.code != 8, "a fault is no damage", "%s", a)
	c.settle()
	return a, a.code == 0
}

// finished is [campaign.tried], and runs the command again where the fault has ended it: then
// it has to succeed, or to say that there is nothing left to do.
func (c *campaign) finished(nothingLeft []string, args ...string) answer {
	c.t.Helper()
	a, ok := c.tried(args...)
	if ok {
		return a
	}
	c.counts["actions that were begun again"]++
	a = c.command(args...)
	c.must(a.code == 0 || slices.Contains(nothingLeft, a.errorCode()), "what was ended is done when it is begun again", "%s", a)
	return a
}

// refused runs a command that has to be refused with one of these codes, and to change nothing.
func (c *campaign) refused(codes []string, args ...string) {
	c.t.Helper()
	before := c.everything()
	a := c.command(args...)
	c.must(a.code != 0 && slices.Contains(codes, a.errorCode()), "what is wrong is refused", "%v: %s", codes, a)
	c.quiet()
	diff := differing(before, c.everything())
	c.must(len(diff) == 0, "what is refused changes nothing", "%s: %v", a, diff)
}

// listed is what the model looks at in a list of backups.
type listed struct {
	BackupID, Status, Path, Code string
}

// verdict is the outcome of verifying one backup, and audit that of all.
type verdict struct {
	BackupID string
	Findings []struct{ Code, File, Message string }
	Foreign  struct{ Count int }
	Items    int64
}
type audit struct {
	Backups   []verdict
	Findings  []struct{ Code, File, Message string }
	HeadKnown bool
	Foreign   struct{ Count int }
}

// current are the settings that the model looks at.
type current struct {
	Share struct{ Path string }

	Recipients    []struct{ Fingerprint string }
	SigningKey    string
	FormerSigners []string
	Username      string
}

// settings are those that are active.
func (c *campaign) settings() current {
	c.t.Helper()
	return parsed[current](c, c.good("settings", "show"))
}
