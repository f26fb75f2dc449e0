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
			cmd := exec.CommandContext(ctx, program, "--no-pager", "--quiet", "--reverse", "--output=short-iso-precise",
				fmt.Sprintf("--since=@%d", since.Unix()), fmt.Sprintf("--lines=%d", maxLines), "--unit="+unit)
			return output(cmd)
		}})
	}
	return all
}

// output is what a command writes, its newest part if it is more than a member may have.
func output(cmd *exec.Cmd) ([]byte, error) {
	var complaint bytes.Buffer
	cmd.WaitDelay = time.Second // a child of it may hold its output open
	cmd.Stderr = &limited{w: &complaint, left: 1 << 10}
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, unread(cmd.Path, err)
	}
	text, err := io.ReadAll(io.LimitReader(pipe, MaxBytes+1))
	if len(text) > MaxBytes { // one byte more lets the archive say that it was cut
		_ = cmd.Process.Kill() // the rest is not wanted
		_ = cmd.Wait()         // it was killed
		return text, nil
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return nil, unread(cmd.Path, fmt.Errorf("%w: %s", err, bytes.TrimSpace(complaint.Bytes())))
	}
	return text, nil
}

// limited writes the first bytes and drops the others.
type limited struct {
	w    io.Writer
	left int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	kept := p[:min(len(p), l.left)]
	l.left -= len(kept)
	_, err := l.w.Write(kept)
	return len(p), err
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
	return io.ReadAll(io.LimitReader(f, MaxBytes))
}

func unread(what string, err error) error {
	return fault.New(fault.Usage, what+" cannot be read", err)
}
