package support

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// units are the systemd units of the product.
var units = []string{"infrabackup-worker", "infrabackup-serve", "infrabackup-codec-server"}

// maxLines bounds the lines that are asked of the journal for one unit.
const maxLines = 50_000

// Journal makes members of what systemd's journal holds of the product's units, the newest
// line first, since a moment. Program is journalctl.
func Journal(program string, since time.Time) []Member {
	var all []Member
	for _, unit := range units {
		all = append(all, Member{Name: "logs/" + unit + ".log", Read: func(ctx context.Context) ([]byte, error) {
			cmd := exec.CommandContext(ctx, program, "--no-pager", "--reverse", "--output=short-iso-precise",
				fmt.Sprintf("--since=@%d", since.Unix()), fmt.Sprintf("--lines=%d", maxLines), "--unit="+unit)
			return output(cmd)
		}})
	}
	return all
}

// output is what a command writes, its newest part if it is more than a member may have. What
// it wrote before it failed comes with the error.
func output(cmd *exec.Cmd) ([]byte, error) {
	// One byte more lets the archive say that it was cut.
	text, complaint := &limited{left: MaxBytes + 1, full: errors.New("the rest is not wanted")}, &limited{left: 1 << 10}
	cmd.WaitDelay = time.Second // a child of it may hold its output open
	cmd.Stdout, cmd.Stderr = text, complaint
	err := cmd.Run()
	said := bytes.TrimSpace(complaint.kept.Bytes())
	switch {
	case text.left == 0: // what is not wanted may have ended it
		return text.kept.Bytes(), nil
	case err != nil:
		return text.kept.Bytes(), unread(cmd.Path, fmt.Errorf("%w: %s", err, said))
	case len(said) > 0: // as of entries that this account may not see
		return text.kept.Bytes(), fault.Newf(fault.Usage, "%s may not have told everything: %s", cmd.Path, printable.Line(string(said), 1<<10))
	}
	return append([]byte{}, text.kept.Bytes()...), nil
}

// limited keeps the first bytes.
type limited struct {
	kept bytes.Buffer
	left int
	full error // what is told to who writes more; nil drops it
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	l.kept.Write(p[:n])
	if n < len(p) && l.full != nil {
		return n, l.full
	}
	return len(p), nil
}

// LogFiles makes members of log files, of each its end. Two files of one name get numbers.
func LogFiles(files []string) []Member {
	var all []Member
	for i, file := range files {
		all = append(all, Member{Name: fmt.Sprintf("logs/%d-%s", i+1, filepath.Base(file)), Read: func(context.Context) ([]byte, error) {
			text, err := tail(file)
			if err != nil {
				return nil, unread(file, err)
			}
			return text, nil
		}})
	}
	return all
}

func tail(file string) (text []byte, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if over := info.Size() - MaxBytes; over > 0 {
		if _, err := f.Seek(over, io.SeekStart); err != nil {
			return nil, err
		}
	}
	text, err = io.ReadAll(io.LimitReader(f, MaxBytes))
	if _, whole, found := bytes.Cut(text, []byte("\n")); found && info.Size() > MaxBytes {
		text = whole // half a line could hold half a secret, by which it is not known
	}
	return text, err
}

func unread(what string, err error) error {
	return fault.New(fault.Usage, what+" cannot be read", err)
}
