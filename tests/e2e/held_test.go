package e2e

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
	"infrabackup/tests/lab"
	"infrabackup/tests/tier"
)

// scanner is another client of a file server that opens every new file that it finds, as
// a virus scanner does, and lets nobody rename or delete it for a while.
type scanner struct {
	tree *smb.Tree
	root string                          // what the server serves, on its disk
	hold func(path string) time.Duration // how long it keeps a file

	mutex sync.Mutex
	held  []string
}

// names are those of the files that were opened.
func (s *scanner) names() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.held)
}

// look opens what is new until ctx ends.
func (s *scanner) look(ctx context.Context) {
	known := map[string]bool{}
	for ctx.Err() == nil {
		_ = filepath.WalkDir(s.root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || known[path] {
				return nil // gone again, or seen
			}
			name, err := filepath.Rel(s.root, path)
			if err != nil {
				return err
			}
			file, err := s.tree.Open(ctx, filepath.ToSlash(name))
			if err != nil {
				return nil // renamed in the meantime
			}
			known[path] = true
			s.mutex.Lock()
			s.held = append(s.held, name)
			s.mutex.Unlock()
			time.AfterFunc(s.hold(name), func() { _ = file.Close() })
			return nil
		})
		timer := time.NewTimer(time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// TestFilesHeldOpenAtEveryStep runs a backup while another client opens every file that
// appears on the share and keeps it for a while, those of the sealed backup longest. The
// server refuses what Windows refuses then.
func TestFilesHeldOpenAtEveryStep(t *testing.T) {
	tier.NeedsServers(t)
	t.Parallel()
	lab.Require(t)
	files, err := lab.StartFileServer(t.Context(), lab.FileServerOptions{
		Dir: filepath.Join(t.TempDir(), "fs"), Address: "127.0.0.56",
		Global: map[string]string{"strict rename": "yes"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, files.Stop(context.Background())) })
	c, config := crashing(t, 1<<20, func(w *workerConfig) { w.SMB = true })
	c.shareDir = files.ShareDir()
	c.edit = func(s *settings.Settings) {
		s.Share.Path = files.UNC()
		s.Credential.Username, s.Credential.Password = files.User(), secret.NewTransfer(secret.New(files.Password()))
	}
	startWorkers(t, config)
	c.enable()

	unc, err := share.ParseUNC(files.UNC())
	require.NoError(t, err)
	tree, err := smb.OpenTree(t.Context(), smb.Config{UNC: unc, Username: files.User(), Password: secret.New(files.Password())})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tree.Close() })
	short, long := tier.Size(0, time.Second, time.Minute), tier.Size(0, 6*time.Second, time.Minute)
	s := &scanner{tree: tree, root: files.ShareDir(), hold: func(path string) time.Duration {
		if strings.HasSuffix(path, backup.SumsFile+".sig") {
			return long
		}
		return short
	}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.look(ctx)
	}()
	// Some names are there for a moment only: one that was missed is waited for in another run.
	missed := []string{"/probe-", "key.age", ".part", backup.SumsFile + ".sig"}
	for earlier := range 5 {
		id, run := c.begin()
		c.finished(id, run, earlier)
		held := s.names()
		missed = slices.DeleteFunc(missed, func(part string) bool {
			return slices.ContainsFunc(held, func(name string) bool { return strings.Contains("/"+name, part) })
		})
		if len(missed) == 0 {
			break
		}
	}
	stop()
	<-ended
	require.Empty(t, missed, "of %q", s.names())
}
