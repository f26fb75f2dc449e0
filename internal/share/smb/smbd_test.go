package smb_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/secret"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
	"infrabackup/tests/tier"
)

// A real Samba server of the test's own, on the real port of an address that only
// this package uses.
const (
	address  = "127.0.0.31"
	account  = "backup" // exists on Debian; the Unix half of the Samba account
	password = "correct horse battery staple"
)

type samba struct {
	t      testing.TB
	dir    string
	Folder string // the share's folder as the server sees it
	cmd    *exec.Cmd
}

// needLab ends the test when something that only the lab has is missing.
func needLab(t testing.TB) {
	tier.NeedsServers(t)
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, program := range []string{"smbd", "smbpasswd", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = program
		}
	}
	if missing == "" {
		return
	}
	if os.Getenv("INFRABACKUP_REQUIRE_LAB") == "1" {
		t.Fatalf("the lab's %s is missing", missing)
	}
	t.Skipf("a real file server needs %s", missing)
}

// startSamba starts a server with one share "backups" on folder, or on a new one
// when it is empty. Lines are added to the global section or, from an element
// "[share]" on, to the share's.
func startSamba(t testing.TB, folder string, lines ...string) *samba {
	needLab(t)
	// Not t.TempDir, whose path has the name of the test in it: that of a Unix socket has
	// at most 107 bytes (unix(7)), and an smbd with longer ones ends without a word.
	dir, err := os.MkdirTemp("", "smbd")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	s := &samba{t: t, dir: dir, Folder: folder}
	if s.Folder == "" {
		s.Folder = t.TempDir()
	}
	// "File exists" when an earlier test has added it.
	if out, err := exec.Command("ip", "addr", "add", address+"/8", "dev", "lo").CombinedOutput(); err != nil && !bytes.Contains(out, []byte("exists")) && !bytes.Contains(out, []byte("assigned")) {
		t.Fatalf("ip addr add: %v: %s", err, out)
	}
	global, section, _ := strings.Cut(strings.Join(lines, "\n"), "[share]")
	conf := fmt.Sprintf(`[global]
server role = standalone server
netbios name = FS
workgroup = LAB
disable netbios = yes
smb ports = 445
interfaces = %[1]s/8
bind interfaces only = yes
private dir = %[2]s
lock directory = %[2]s
state directory = %[2]s
cache directory = %[2]s
pid directory = %[2]s
ncalrpc dir = %[2]s/ncalrpc
passdb backend = tdbsam:%[2]s/passdb.tdb
log file = %[2]s/log
log level = 1 auth_audit:3
max log size = 0
load printers = no
server min protocol = SMB3_00
smb encrypt = required
%[3]s
[backups]
path = %[4]s
read only = no
force user = root
%[5]s
`, address, s.dir, global, s.Folder, section)
	require.NoError(t, os.WriteFile(s.conf(), []byte(conf), 0o600))
	add := exec.Command("smbpasswd", "-c", s.conf(), "-s", "-a", account)
	add.Stdin = strings.NewReader(password + "\n" + password + "\n")
	out, err := add.CombinedOutput()
	require.NoError(t, err, string(out))
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

func (s *samba) conf() string { return filepath.Join(s.dir, "smb.conf") }

// Start starts the server and waits until it answers.
func (s *samba) Start() {
	s.cmd = exec.Command("smbd", "--foreground", "--no-process-group", "--configfile="+s.conf())
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(s.t, s.cmd.Start())
	require.Eventually(s.t, func() bool {
		conn, err := net.Dial("tcp", address+":445")
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, time.Minute, 50*time.Millisecond)
}

// Kill ends the server and all its children at once, as a power failure would.
func (s *samba) Kill() {
	if s.cmd == nil {
		return
	}
	require.NoError(s.t, syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL))
	_ = s.cmd.Wait() // "killed"
	s.cmd = nil
	// Its children are not ours to wait for: the port tells when they are gone.
	require.Eventually(s.t, func() bool {
		l, err := net.Listen("tcp", address+":445")
		return err == nil && l.Close() == nil
	}, 20*time.Second, 20*time.Millisecond)
}

// Logins counts the login attempts that the server has seen.
func (s *samba) Logins() int {
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	require.NoError(s.t, err)
	return bytes.Count(log, []byte("Auth: ["))
}

// config is how the product is set up against this server.
func (s *samba) config() smb.Config {
	return smb.Config{
		UNC:      share.UNC{Host: address, Share: "backups"},
		Username: `FS\` + account, Password: secret.New(password),
	}
}

func (s *samba) open() *smb.Store { return openStore(s.t, s.config()) }

func openStore(t testing.TB, config smb.Config) *smb.Store {
	store, err := smb.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}
