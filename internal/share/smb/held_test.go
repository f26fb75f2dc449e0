package smb_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
	"infrabackup/tests/tier"
)

// holder is another client, of Samba's own, that opens a file or folder and keeps it open
// until its input ends. Arguments: configuration, server, account, password, path, what it
// lets others do (1 read, 2 write, 4 delete).
const holder = `
import sys
from samba import credentials
from samba.param import LoadParm
from samba.samba3 import libsmb_samba_internal as libsmb, param
conf, server, user, password, path, access = sys.argv[1:]
lp = param.get_context()
lp.load(conf)
creds = credentials.Credentials()
creds.guess(lp)
creds.set_domain("FS")
creds.set_username(user)
creds.set_password(password)
creds.set_kerberos_state(credentials.DONT_USE_KERBEROS)
client = libsmb.Conn(server, "backups", lp, creds)
held = client.create(path, DesiredAccess=1, ShareAccess=int(access))
print("held", flush=True)
sys.stdin.read()
client.close(held)
`

// hold opens a path as another client does, and closes it after a while.
func (s *samba) hold(path string, access int, during time.Duration) {
	cmd := exec.Command("/usr/bin/python3", "-c", holder, s.conf(), address, account, password, path, strconv.Itoa(access))
	input, err := cmd.StdinPipe()
	require.NoError(s.t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(s.t, err)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	require.NoError(s.t, cmd.Start())
	line, _ := bufio.NewReader(output).ReadString('\n') // a failure has no such line
	require.Equal(s.t, "held\n", line, "%s", &complaints)
	release := time.AfterFunc(during, func() { _ = input.Close() })
	s.t.Cleanup(func() {
		release.Stop()
		_ = input.Close()
		require.NoError(s.t, cmd.Wait(), "%s", &complaints)
	})
}

const (
	mayNothing   = 0
	mayReadWrite = 1 | 2
	mayAll       = 1 | 2 | 4
)

// heldFor is how long others keep something open: longer than a refusal that has other
// reasons is waited for, or a minute.
func heldFor() time.Duration {
	return tier.Size(5*time.Second, 5*time.Second, time.Minute)
}

// Whatever another client keeps open for a while, and however: the call waits, and then
// does what it was asked for. The server refuses what Windows refuses.
func TestHeldOpen(t *testing.T) {
	server := startSamba(t, "", "strict rename = yes")
	store := server.open()
	type step struct {
		held   string
		access int
		call   func(ctx context.Context, folder string) error
	}
	steps := map[string]step{
		"rename the folder": {"file", mayAll, func(ctx context.Context, folder string) error {
			return store.Rename(ctx, folder, folder+"-renamed")
		}},
		"rename the file": {"file", mayReadWrite, func(ctx context.Context, folder string) error {
			return store.Rename(ctx, folder+"/file", folder+"/renamed")
		}},
		"rename the folder itself": {"", mayReadWrite, func(ctx context.Context, folder string) error {
			return store.Rename(ctx, folder, folder+"-renamed")
		}},
		"remove": {"file", mayReadWrite, func(ctx context.Context, folder string) error {
			return store.Remove(ctx, folder+"/file")
		}},
		"replace": {"file", mayNothing, func(ctx context.Context, folder string) error {
			return store.Upload(ctx, folder+"/file", bytes.NewReader([]byte("new")), 0, 3, nil)
		}},
		"go on writing a large file": {"file", mayNothing, func(ctx context.Context, folder string) error {
			return store.Upload(ctx, folder+"/file", pattern{}, 1, 3<<20, nil)
		}},
		"read": {"file", mayNothing, func(ctx context.Context, folder string) error {
			_, err := store.Download(ctx, folder+"/file", 0, io.Discard)
			return err
		}},
		"read at random": {"file", mayNothing, func(ctx context.Context, folder string) error {
			f, err := store.Open(ctx, folder+"/file")
			if err != nil {
				return err
			}
			return f.Close()
		}},
		"list": {"", mayNothing, func(ctx context.Context, folder string) error {
			_, err := store.List(ctx, folder)
			return err
		}},
	}
	ctx := t.Context()
	failures := make(chan error, len(steps))
	n := 0
	for name, step := range steps {
		n++
		folder := fmt.Sprintf("folder-%d", n)
		require.NoError(t, store.MkdirAll(ctx, folder))
		require.NoError(t, store.Upload(ctx, folder+"/file", bytes.NewReader([]byte("old")), 0, 3, nil))
		path := folder
		if step.held != "" {
			path += `\` + step.held
		}
		server.hold(path, step.access, heldFor())
		go func() {
			if err := step.call(ctx, folder); err != nil {
				failures <- fmt.Errorf("%s: %w", name, err)
				return
			}
			failures <- nil
		}()
	}
	for range steps {
		require.NoError(t, <-failures)
	}
}

// What somebody keeps open for good is SHARE_BUSY in the end, also when the server says
// that the access is denied; a right that is missing is told at once.
func TestHeldForGood(t *testing.T) {
	server := startSamba(t, "", "strict rename = yes")
	config := server.config()
	config.BusyTimeout = 500 * time.Millisecond
	store, ctx := openStore(t, config), t.Context()
	require.NoError(t, store.MkdirAll(ctx, "folder"))
	require.NoError(t, store.Upload(ctx, "folder/file", bytes.NewReader([]byte("old")), 0, 3, nil))
	server.hold(`folder\file`, mayAll, time.Hour)
	err := store.Rename(ctx, "folder", "renamed")
	require.ErrorIs(t, err, fault.ShareBusy)
	require.ErrorContains(t, err, "0xc0000022")
	server.hold(`folder\file`, mayReadWrite, time.Hour)
	require.ErrorIs(t, store.Remove(ctx, "folder/file"), fault.ShareBusy)

	// The reason comes before the caller's time is over.
	config.BusyTimeout = time.Hour
	waiting := openStore(t, config)
	limited, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	require.ErrorIs(t, waiting.Rename(limited, "folder", "renamed"), fault.ShareBusy)
}

func TestDeniedIsTold(t *testing.T) {
	server := startSamba(t, "", "strict rename = yes", "[share]", "force user = nobody")
	require.NoError(t, os.Chmod(filepath.Dir(server.Folder), 0o755))
	require.NoError(t, os.Chmod(server.Folder, 0o777))
	require.NoError(t, os.Mkdir(server.Folder+"/theirs", 0o755))
	require.NoError(t, os.WriteFile(server.Folder+"/theirs/file", nil, 0o644))
	var store share.Store = server.open()
	start := time.Now()
	require.ErrorIs(t, store.Remove(t.Context(), "theirs/file"), fault.ShareAccessDenied)
	require.ErrorIs(t, store.Rename(t.Context(), "theirs/file", "theirs/renamed"), fault.ShareAccessDenied)
	require.Less(t, time.Since(start), 20*time.Second)
}
