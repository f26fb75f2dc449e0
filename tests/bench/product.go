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
	"infrabackup/tests/lab"
)

// product is a worker of an instance of its own, and an operator's terminal.
type product struct {
	*bench
	dir       string
	instance  string
	program   string // the worker
	recipient string // that backups are encrypted to
	worker    *exec.Cmd
	log       *os.File
}

// product is a whole backup by the built binaries: capture, encryption, spool, upload,
// read-back, seal and publish, with Temporal in between.
func (b *bench) product(data string) contender {
	return contender{name: "whole backup, read-back included", run: func(ctx context.Context, n int) (figure, error) {
		return b.wholeBackup(ctx, filepath.Join(b.bin, workerName), data, n)
	}}
}

const workerName = "infrabackup-worker"

// wholeBackup has a worker of its own take one backup of a file or folder, to a share that
// is empty.
func (b *bench) wholeBackup(ctx context.Context, program, data string, n int) (f figure, err error) {
	if err := b.empty(); err != nil {
		return f, err
	}
	p, err := b.newProduct(ctx, filepath.Base(data)+"-"+strconv.Itoa(n), data)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, p.remove()) }()
	p.program = program
	served, err := b.lab.FileServer().ProcessorTime()
	if err != nil {
		return f, err
	}
	if err := p.start(ctx); err != nil {
		return f, err
	}
	runErr := p.enable(ctx)
	if runErr == nil {
		f, runErr = p.backup(ctx)
	}
	memory, memoryErr := lab.PeakMemory(p.worker.Process.Pid)
	servedNow, servedErr := b.lab.FileServer().ProcessorTime()
	f.memory = memory
	if err := errors.Join(runErr, memoryErr, servedErr, p.stop()); err != nil {
		return f, err
	}
	f.cpu = p.worker.ProcessState.UserTime() + p.worker.ProcessState.SystemTime() + servedNow - served
	return f, nil
}

// newProduct writes the configuration of an instance. The data lies in the CA's folder,
// whose collector takes unknown files as they are.
func (b *bench) newProduct(ctx context.Context, name, data string) (*product, error) {
	b.products++
	p := &product{bench: b, dir: filepath.Join(b.dir, "product"), program: filepath.Join(b.bin, workerName),
		instance: fmt.Sprintf("bench-%d-%d-%s", os.Getpid(), b.products, name)}
	if err := p.remove(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	if err := errors.Join(exec.CommandContext(ctx, "cp", "-a", b.lab.Env()["LAB_CA_DIR"], p.caDir()).Run(),
		exec.CommandContext(ctx, "cp", "-al", data, filepath.Join(p.caDir(), dataName)).Run()); err != nil {
		return nil, err
	}
	key, err := codec.GenerateKeyLine("bench", rand.Reader)
	if err != nil {
		return nil, err
	}
	if p.recipient, err = p.newIdentity(0); err != nil {
		return nil, err
	}
	id, err := backup.NewID(rand.Reader)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("instance: {name: %s, fqdn: bench.test, region: local, deploymentId: %s}\ntemporal: {address: %s, namespace: default}\ncodec: {keyFile: codec.keys}\nspool: {dir: spool}\nhost: bench\nsources:\n  ca: {dir: %s}\n",
		p.instance, id, b.lab.Env()["TEMPORAL_ADDRESS"], p.caDir())
	return p, errors.Join(os.WriteFile(filepath.Join(p.dir, "codec.keys"), []byte(key), 0o600), os.WriteFile(filepath.Join(p.dir, "worker.yaml"), []byte(config), 0o600))
}

// dataName is what the data is called in the CA's folder.
const dataName = "data"

func (p *product) caDir() string { return filepath.Join(p.dir, "ca") }

// identity is the file with an operator's private key.
func (p *product) identity(n int) string {
	return filepath.Join(p.dir, fmt.Sprintf("operator-%d.key", n))
}

// newIdentity makes such a file, and returns what encrypts to it.
func (p *product) newIdentity(n int) (recipient string, err error) {
	text, to, err := seal.GenerateIdentity(false, time.Now())
	if err != nil {
		return "", err
	}
	return to.Text, os.WriteFile(p.identity(n), []byte(text.Reveal()), 0o600)
}

func (p *product) remove() error { return os.RemoveAll(p.dir) }

// start starts the worker, and waits until it is ready.
func (p *product) start(ctx context.Context) (err error) {
	if p.log, err = os.Create(filepath.Join(p.dir, "worker.log")); err != nil {
		return err
	}
	p.worker = exec.CommandContext(ctx, p.program, "--config", filepath.Join(p.dir, "worker.yaml"))
	p.worker.Stdout, p.worker.Stderr = p.log, p.log
	if err := p.worker.Start(); err != nil {
		return errors.Join(err, p.log.Close())
	}
	if err := p.ready(ctx); err != nil {
		return errors.Join(err, p.stop())
	}
	return nil
}

// maxStart bounds how long a worker may take until it is ready.
const maxStart = time.Minute

func (p *product) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxStart)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		said, err := os.ReadFile(p.log.Name())
		if err != nil || bytes.Contains(said, []byte("msg=ready")) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the worker is not ready: %w: %s", ctx.Err(), said)
		case <-ticker.C:
		}
	}
}

// stop ends the worker, as a service manager does, and waits for it.
func (p *product) stop() error {
	return errors.Join(p.worker.Process.Signal(os.Interrupt), p.worker.Wait(), p.log.Close())
}

func (p *product) enable(ctx context.Context) error {
	files := p.lab.FileServer()
	enable := p.cli(ctx, "enable", "--share", p.sharePath(), "--username", files.User(), "--password-file", p.lab.Env()["LAB_SHARE_PASSWORD_FILE"], "--recipient", p.recipient)
	_, err := p.timed(enable)
	return err
}

// backup takes one, and waits for its end.
func (p *product) backup(ctx context.Context) (figure, error) {
	return p.byWorker(p.cli(ctx, "backup", "start", "--wait"))
}

// byWorker is [bench.timed] for what the worker does on command: its time counts, too.
func (p *product) byWorker(cmd *exec.Cmd) (figure, error) {
	before, err := lab.ProcessorTime(p.worker.Process.Pid)
	if err != nil {
		return figure{}, err
	}
	f, err := p.timed(cmd)
	if err != nil {
		return f, err
	}
	after, err := lab.ProcessorTime(p.worker.Process.Pid)
	f.cpu += after - before
	return f, err
}

// cli is a command of the operator.
func (p *product) cli(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "infrabackup"), args...)
	cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+p.lab.Env()["TEMPORAL_ADDRESS"], "INFRABACKUP_INSTANCE="+p.instance,
		"INFRABACKUP_CODEC_KEY_FILE="+filepath.Join(p.dir, "codec.keys"))
	return cmd
}

// fromShare are the arguments with which a command reads the share by itself, without a
// worker, and trusts the instance's signing keys.
func (p *product) fromShare() []string {
	files := p.lab.FileServer()
	return []string{"--share", p.sharePath(), "--username", files.User(), "--password-file", p.lab.Env()["LAB_SHARE_PASSWORD_FILE"], "--allowed-signers", p.signers()}
}

// signers is a copy of the instance's signing keys that is not on the share.
func (p *product) signers() string { return filepath.Join(p.dir, "trusted_signers") }

func (p *product) copySigners() error {
	data, err := os.ReadFile(filepath.Join(p.lab.FileServer().ShareDir(), p.instance, backup.AllowedSignersFile))
	if err != nil {
		return err
	}
	return os.WriteFile(p.signers(), data, 0o600)
}

// folders are those of the finished backups, relative to the share.
func (p *product) folders() ([]string, error) {
	root := p.lab.FileServer().ShareDir()
	found, err := filepath.Glob(filepath.Join(root, p.instance, "backups", "*Z_*"))
	for i := range found {
		found[i] = strings.TrimPrefix(found[i], root+"/")
	}
	if err == nil && len(found) == 0 {
		err = errors.New("the instance has no backup")
	}
	return found, err
}
