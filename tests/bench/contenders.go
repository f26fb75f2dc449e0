package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
	"infrabackup/tests/lab"
)

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

// shell is another tool, run by a shell. Passwords are in its environment.
func (b *bench) shell(name, program, command string, extra ...string) contender {
	return contender{name: name, program: program, run: func(ctx context.Context, _ int) (figure, error) {
		if err := b.empty(); err != nil {
			return figure{}, err
		}
		files := b.lab.FileServer()
		obscured, err := obscure(ctx, files.Password())
		if err != nil {
			return figure{}, err
		}
		_, recipient, err := seal.GenerateIdentity(false, time.Now())
		if err != nil {
			return figure{}, err
		}
		cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
		cmd.Env = append(os.Environ(), "USER="+files.User(), "PASSWD="+files.Password(), "RECIPIENT="+recipient.Text,
			"RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_SMB_TYPE=smb", "RCLONE_CONFIG_SMB_HOST="+strings.Split(b.unc(), "/")[2],
			"RCLONE_CONFIG_SMB_USER="+files.User(), "RCLONE_CONFIG_SMB_PASS="+obscured,
			"RCLONE_CONFIG_CRYPT_TYPE=crypt", "RCLONE_CONFIG_CRYPT_REMOTE=smb:"+strings.Split(b.unc(), "/")[3]+"/crypt", "RCLONE_CONFIG_CRYPT_PASSWORD="+obscured,
			"RESTIC_REPOSITORY=rclone:smb:"+strings.Split(b.unc(), "/")[3]+"/restic", "RESTIC_PASSWORD=bench", "RESTIC_CACHE_DIR="+filepath.Join(b.dir, "restic-cache"))
		cmd.Env = append(cmd.Env, extra...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		began := time.Now()
		if err := cmd.Run(); err != nil {
			return figure{}, fmt.Errorf("%w: %s", err, out.String())
		}
		return figure{wall: time.Since(began)}, os.RemoveAll(filepath.Join(b.dir, "restic-cache"))
	}}
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

// product is a whole backup by the built binaries: capture, encryption, spool, upload,
// read-back, seal and publish, with Temporal in between. The data lies in the CA's
// folder, whose collector takes unknown files as they are.
func (b *bench) product(data string) contender {
	return contender{name: "whole backup, read-back included", run: func(ctx context.Context, n int) (f figure, err error) {
		if err := b.empty(); err != nil {
			return f, err
		}
		caDir := filepath.Join(b.dir, "ca-with-data")
		if err := errors.Join(os.RemoveAll(caDir), exec.CommandContext(ctx, "cp", "-a", b.lab.Env()["LAB_CA_DIR"], caDir).Run(),
			exec.CommandContext(ctx, "cp", "-al", data, filepath.Join(caDir, "data")).Run()); err != nil {
			return f, err
		}
		w := &product{bench: b, dir: filepath.Join(b.dir, "product"), instance: "bench-" + strconv.Itoa(os.Getpid()) + "-" + filepath.Base(data) + "-" + strconv.Itoa(n)}
		if err := w.prepare(caDir); err != nil {
			return f, err
		}
		f, err = w.run(ctx)
		return f, errors.Join(err, os.RemoveAll(w.dir), os.RemoveAll(caDir))
	}}
}

// product is a worker and an operator's terminal.
type product struct {
	*bench
	dir       string
	instance  string
	recipient string
}

func (p *product) prepare(caDir string) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	key, err := codec.GenerateKeyLine("bench", rand.Reader)
	if err != nil {
		return err
	}
	_, recipient, err := seal.GenerateIdentity(false, time.Now())
	if err != nil {
		return err
	}
	id, err := backup.NewID(rand.Reader)
	if err != nil {
		return err
	}
	p.recipient = recipient.Text
	config := fmt.Sprintf("instance: {name: %s, fqdn: bench.test, region: local, deploymentId: %s}\ntemporal: {address: %s, namespace: default}\ncodec: {keyFile: codec.keys}\nspool: {dir: spool}\nhost: bench\nsources:\n  ca: {dir: %s}\n",
		p.instance, id, p.lab.Env()["TEMPORAL_ADDRESS"], caDir)
	return errors.Join(os.WriteFile(filepath.Join(p.dir, "codec.keys"), []byte(key), 0o600), os.WriteFile(filepath.Join(p.dir, "worker.yaml"), []byte(config), 0o600))
}

func (p *product) run(ctx context.Context) (f figure, err error) {
	log, err := os.Create(filepath.Join(p.dir, "worker.log"))
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	worker := exec.CommandContext(ctx, filepath.Join(p.bin, "infrabackup-worker"), "--config", filepath.Join(p.dir, "worker.yaml"))
	worker.Stdout, worker.Stderr = log, log
	if err := worker.Start(); err != nil {
		return f, err
	}
	served, beforeErr := p.lab.FileServer().ProcessorTime()
	f, runErr := p.backup(ctx)
	memory, memoryErr := lab.PeakMemory(worker.Process.Pid)
	f.memory = memory
	servedNow, afterErr := p.lab.FileServer().ProcessorTime()
	stopErr := worker.Process.Signal(os.Interrupt)
	err = errors.Join(beforeErr, runErr, memoryErr, afterErr, stopErr, worker.Wait())
	if err == nil {
		f.cpu = worker.ProcessState.UserTime() + worker.ProcessState.SystemTime() + servedNow - served
	}
	return f, err
}

func (p *product) backup(ctx context.Context) (figure, error) {
	files := p.lab.FileServer()
	ready := func() bool {
		data, err := os.ReadFile(filepath.Join(p.dir, "worker.log"))
		return err == nil && bytes.Contains(data, []byte("msg=ready"))
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !ready() {
		select {
		case <-ctx.Done():
			return figure{}, ctx.Err()
		case <-ticker.C:
		}
	}
	if err := p.cli(ctx, files.Password(), "enable", "--share", p.sharePath(), "--username", files.User(), "--password-file", "-", "--recipient", p.recipient); err != nil {
		return figure{}, err
	}
	before := p.requestCount()
	began := time.Now()
	err := p.cli(ctx, "", "backup", "start", "--wait")
	return figure{wall: time.Since(began), requests: p.requestCount() - before}, err
}

func (p *product) cli(ctx context.Context, input string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "infrabackup"), args...)
	cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+p.lab.Env()["TEMPORAL_ADDRESS"], "INFRABACKUP_INSTANCE="+p.instance,
		"INFRABACKUP_CODEC_KEY_FILE="+filepath.Join(p.dir, "codec.keys"))
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, out)
	}
	return nil
}
