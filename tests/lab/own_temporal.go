package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// TemporalServer is a Temporal server of a test's own, whose state is a file: it may be
// killed, frozen and started again while others go on with theirs.
type TemporalServer struct {
	server *daemon
	db     string
	port   int
}

// startTries is how often a server is started that ends at once: it draws ports for itself, and
// another program may be faster.
const startTries = 4

// StartTemporal starts one whose state and log are in a folder, on a port that is not one of
// those that programs are given, so that it is free still when it starts again. Stop it.
func StartTemporal(ctx context.Context, dir string, port int) (*TemporalServer, error) {
	binary, err := temporalBinary()
	if err != nil {
		return nil, fmt.Errorf("the temporal program is missing: go install %s", temporalModule)
	}
	for _, sub := range []string{"run", "log"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	t := &TemporalServer{db: filepath.Join(dir, "temporal.db"), port: port}
	command := fmt.Sprintf("exec env "+temporalMemory+" %s server start-dev --db-filename %s --ip 127.0.0.1 --port %d --headless --log-level warn --sqlite-pragma journal_mode=WAL --sqlite-pragma synchronous=OFF"+temporalConfig,
		binary, t.db, port)
	if t.server, err = newDaemon(dir, "temporal", command, listening(t.Address())); err != nil {
		return nil, err
	}
	return t, t.Start(ctx)
}

// Address is where clients reach it.
func (t *TemporalServer) Address() string { return fmt.Sprintf("127.0.0.1:%d", t.port) }

// Start starts it again after [TemporalServer.Kill], with all that it had.
func (t *TemporalServer) Start(ctx context.Context) error {
	var err error
	for range startTries {
		if err = t.server.start(ctx); err == nil {
			return nil
		}
		err = errors.Join(err, t.Kill(ctx))
	}
	return err
}

// Kill ends it as a power cut of its host does, but for the disk, which keeps all.
func (t *TemporalServer) Kill(ctx context.Context) error { return t.server.stop(ctx, syscall.SIGKILL) }

// Freeze stops it from running until [TemporalServer.Thaw]; its connections stand.
func (t *TemporalServer) Freeze() error { return t.server.signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (t *TemporalServer) Thaw() error { return t.server.signal(syscall.SIGCONT) }

// files are those that a server that does not run has its state in.
func (t *TemporalServer) files() []string { return []string{t.db, t.db + "-wal", t.db + "-shm"} }

// Forget removes all that a server that does not run had kept.
func (t *TemporalServer) Forget() error {
	for _, name := range t.files() {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// Copy keeps the state of a server that does not run in a folder, for [TemporalServer.Replace].
func (t *TemporalServer) Copy(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range t.files() {
		if err := copyFile(name, filepath.Join(dir, filepath.Base(name))); err != nil {
			return err
		}
	}
	return nil
}

// Replace gives a server that does not run the state that was kept in a folder.
func (t *TemporalServer) Replace(dir string) error {
	if err := t.Forget(); err != nil {
		return err
	}
	for _, name := range t.files() {
		if err := copyFile(filepath.Join(dir, filepath.Base(name)), name); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file, and none where there is none.
func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// Stop ends it.
func (t *TemporalServer) Stop(ctx context.Context) error { return t.server.stop(ctx, syscall.SIGTERM) }
