package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
)

// smbclient begins a command of a shell that talks to the share. Account and password are
// in the shell's environment. What it has to say goes to standard error, because a file
// may go to standard output.
const smbclient = `smbclient "$SHARE" -E -m SMB3 --client-protection=encrypt`

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// empty removes what the run before left on the share.
func (b *bench) empty() error {
	entries, err := os.ReadDir(b.lab.FileServer().ShareDir())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(b.lab.FileServer().ShareDir(), entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// shell is another tool, run by a shell, to a share that is empty.
func (b *bench) shell(name, program, command string, extra ...string) contender {
	c := b.tool(name, program, command, extra...)
	run := c.run
	c.run = func(ctx context.Context, n int) (figure, error) {
		if err := b.empty(); err != nil {
			return figure{}, err
		}
		return run(ctx, n)
	}
	return c
}

// tool is another tool, run by a shell.
func (b *bench) tool(name, program, command string, extra ...string) contender {
	return contender{name: name, program: program, run: func(ctx context.Context, _ int) (figure, error) {
		_, recipient, err := seal.GenerateIdentity(false, time.Now())
		if err != nil {
			return figure{}, err
		}
		f, _, err := b.script(ctx, command, append([]string{"RECIPIENT=" + recipient.Text}, extra...)...)
		return f, errors.Join(err, os.RemoveAll(b.resticCache()))
	}}
}

// script has a shell run a command, and returns what it cost and printed. Passwords are in
// its environment.
func (b *bench) script(ctx context.Context, command string, extra ...string) (figure, string, error) {
	files := b.lab.FileServer()
	obscured, err := obscure(ctx, files.Password())
	if err != nil {
		return figure{}, "", err
	}
	unc := strings.ReplaceAll(b.sharePath(), `\`, "/")
	host, name := strings.Split(unc, "/")[2], strings.Split(unc, "/")[3]
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
	cmd.Env = append(os.Environ(), "SHARE="+unc, "USER="+files.User(), "PASSWD="+files.Password(),
		"RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_SMB_TYPE=smb", "RCLONE_CONFIG_SMB_HOST="+host,
		"RCLONE_CONFIG_SMB_USER="+files.User(), "RCLONE_CONFIG_SMB_PASS="+obscured,
		"RCLONE_CONFIG_CRYPT_TYPE=crypt", "RCLONE_CONFIG_CRYPT_REMOTE=smb:"+name+"/crypt", "RCLONE_CONFIG_CRYPT_PASSWORD="+obscured,
		"RESTIC_REPOSITORY=rclone:smb:"+name+"/restic", "RESTIC_PASSWORD=bench", "RESTIC_CACHE_DIR="+b.resticCache())
	cmd.Env = append(cmd.Env, extra...)
	var printed bytes.Buffer
	cmd.Stdout = &printed
	f, err := b.timed(cmd)
	return f, printed.String(), err
}

func (b *bench) resticCache() string { return filepath.Join(b.dir, "restic-cache") }

// timed runs a command, and returns what it cost, with its children and the file server.
// What it says on standard error is in the error.
func (b *bench) timed(cmd *exec.Cmd) (figure, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	passed := b.passed()
	served, err := b.lab.FileServer().ProcessorTime()
	if err != nil {
		return figure{}, err
	}
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return figure{}, fmt.Errorf("%w: %s", err, said.String())
	}
	f := figure{wall: time.Since(began), count: b.passed().Since(passed)}
	servedNow, err := b.lab.FileServer().ProcessorTime()
	f.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() + servedNow - served
	return f, err
}

func obscure(ctx context.Context, password string) (string, error) {
	if !installed("rclone") {
		return "", nil
	}
	cmd := exec.CommandContext(ctx, "rclone", "obscure", "-")
	cmd.Stdin = strings.NewReader(password)
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// upload is the product's share client alone, within this process.
func (b *bench) upload(file string) contender {
	return contender{name: "our upload alone, without read-back", run: func(ctx context.Context, _ int) (f figure, err error) {
		if err := b.empty(); err != nil {
			return f, err
		}
		files := b.lab.FileServer()
		unc, err := share.ParseUNC(files.UNC())
		if err != nil {
			return f, err
		}
		src, err := os.Open(file)
		if err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, src.Close()) }()
		info, err := src.Stat()
		if err != nil {
			return f, err
		}
		began := time.Now()
		store, err := smb.Open(ctx, smb.Config{UNC: unc, Username: files.User(), Password: secret.New(files.Password())})
		if err != nil {
			return f, err
		}
		if err := store.Upload(ctx, "upload", src, 0, info.Size(), nil); err != nil {
			return f, errors.Join(err, store.Close())
		}
		f.wall = time.Since(began)
		return f, store.Close()
	}}
}
