package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	fileServerAddress = "127.0.0.30"
	shareName         = "AzSBackups"
	// shareUser is the Unix user behind the share's account.
	shareUser = "infrabackup-lab"
)

// FileServerOptions describe a standalone SMB server. The zero value, with Dir and
// Address, is what the product wants: SMB 3 only, encryption required.
type FileServerOptions struct {
	Dir      string            // for its configuration and state
	ShareDir string            // what it serves, Dir/share when empty
	Address  string            // loopback address, port 445
	Name     string            // of the share, the lab's own when empty
	Global   map[string]string // further lines of [global], replacing the defaults
	Share    map[string]string // further lines of the share's section
	Password string            // of the account, drawn when empty
}

// FileServer is a real smbd.
type FileServer struct {
	options FileServerOptions
	server  *daemon
	private string // its sockets and accounts, see [FileServer.prepare]
	added   bool   // the address
}

// StartFileServer starts one. Stop it, also after an error in between.
func StartFileServer(ctx context.Context, o FileServerOptions) (*FileServer, error) {
	if o.ShareDir == "" {
		o.ShareDir = filepath.Join(o.Dir, "share")
	}
	if o.Name == "" {
		o.Name = shareName
	}
	if o.Password == "" {
		password, err := randomPassword()
		if err != nil {
			return nil, err
		}
		o.Password = password
	}
	f := &FileServer{options: o}
	if err := f.prepare(ctx); err != nil {
		return nil, errors.Join(err, f.Stop(ctx))
	}
	if err := f.Start(ctx); err != nil {
		return nil, errors.Join(err, f.Stop(ctx))
	}
	return f, nil
}

// ProcessorTime is what the server and its children have used so far.
func (f *FileServer) ProcessorTime() (time.Duration, error) { return f.server.processorTime() }

// UNC is the share's path.
func (f *FileServer) UNC() string { return `\\` + f.options.Address + `\` + f.options.Name }

// ShareDir is the served folder.
func (f *FileServer) ShareDir() string { return f.options.ShareDir }

// User and Password are the account that may write.
func (f *FileServer) User() string { return shareUser }

// Password is the account's password.
func (f *FileServer) Password() string { return f.options.Password }

// LogFile is what the server writes about itself, logins among it.
func (f *FileServer) LogFile() string { return filepath.Join(f.options.Dir, "log", "smbd.log") }

// Start starts the server again after [FileServer.Halt] or [FileServer.Kill].
func (f *FileServer) Start(ctx context.Context) error { return f.server.start(ctx) }

// Halt stops the server, and keeps everything for a later Start.
func (f *FileServer) Halt(ctx context.Context) error { return f.server.stop(ctx, syscall.SIGTERM) }

// Kill ends the server as a power cut does.
func (f *FileServer) Kill(ctx context.Context) error { return f.server.stop(ctx, syscall.SIGKILL) }

// Freeze stops the server from running until [FileServer.Thaw]; its connections stand.
func (f *FileServer) Freeze() error { return f.server.signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (f *FileServer) Thaw() error { return f.server.signal(syscall.SIGCONT) }

// SetPassword gives the account another password.
func (f *FileServer) SetPassword(ctx context.Context, password string) error {
	// It goes in by standard input, so that no process list shows it.
	if _, err := run(ctx, password+"\n"+password+"\n", "smbpasswd", "-c", f.conf(), "-s", "-a", shareUser); err != nil {
		return err
	}
	f.options.Password = password
	return nil
}

// Stop stops the server and takes back what it added to the machine.
func (f *FileServer) Stop(ctx context.Context) error {
	var err error
	if f.server != nil {
		err = f.Halt(ctx)
	}
	if f.private != "" {
		err = errors.Join(err, os.RemoveAll(f.private))
	}
	if f.added {
		_, delErr := run(context.WithoutCancel(ctx), "", "ip", "addr", "del", f.options.Address+"/8", "dev", "lo")
		err = errors.Join(err, delErr)
	}
	return err
}

func (f *FileServer) prepare(ctx context.Context) error {
	for _, sub := range []string{"state", "cache", "run", "log"} {
		if err := os.MkdirAll(filepath.Join(f.options.Dir, sub), 0o755); err != nil {
			return err
		}
	}
	// The path of a Unix socket has at most 107 bytes (unix(7)), and an smbd whose sockets,
	// or their locks, are further down ends without a word.
	private, err := os.MkdirTemp("", "smbd")
	if err != nil {
		return err
	}
	f.private = private
	if err := os.Mkdir(filepath.Join(private, "lock"), 0o755); err != nil {
		return err
	}
	if err := ensureUser(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(f.options.ShareDir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(f.conf(), []byte(f.config()), 0o600); err != nil {
		return err
	}
	if err := f.SetPassword(ctx, f.options.Password); err != nil {
		return err
	}
	added, err := addAddress(ctx, f.options.Address)
	if err != nil {
		return err
	}
	f.added = added
	command := "exec smbd --foreground --no-process-group --configfile=" + f.conf()
	f.server, err = newDaemon(f.options.Dir, "smbd", command, listening(f.options.Address+":445"))
	return err
}

func (f *FileServer) conf() string { return filepath.Join(f.options.Dir, "smb.conf") }

func (f *FileServer) config() string {
	dir := f.options.Dir
	global := map[string]string{
		"workgroup": "LAB", "netbios name": "LABFS", "server role": "standalone server", "security": "user", "map to guest": "never",
		"interfaces": f.options.Address + "/8", "bind interfaces only": "yes", "disable netbios": "yes", "smb ports": "445",
		"server min protocol": "SMB3_00", "smb encrypt": "required",
		"private dir": f.private, "state directory": dir + "/state", "cache directory": dir + "/cache", "lock directory": f.private + "/lock",
		"pid directory": dir + "/run", "ncalrpc dir": f.private + "/ncalrpc", "passdb backend": "tdbsam:" + f.private + "/passdb.tdb",
		"log file": dir + "/log/smbd.log", "log level": "1 auth_audit:3", "max log size": "0", "load printers": "no", "printcap name": "/dev/null",
	}
	share := map[string]string{"path": f.options.ShareDir, "read only": "no", "valid users": shareUser, "create mask": "0600", "directory mask": "0700",
		// The lab's folder may lie where only root can go.
		"force user": "root"}
	for key, value := range f.options.Global {
		global[key] = value
	}
	for key, value := range f.options.Share {
		share[key] = value
	}
	var out strings.Builder
	section := func(name string, lines map[string]string) {
		fmt.Fprintf(&out, "[%s]\n", name)
		for _, key := range sortedKeys(lines) {
			fmt.Fprintf(&out, "\t%s = %s\n", key, lines[key])
		}
	}
	section("global", global)
	section(f.options.Name, share)
	return out.String()
}

// ensureUser makes the Unix user that the share's files belong to. It has no password
// and no shell, and stays: several labs may use it at once.
func ensureUser(ctx context.Context) error {
	if _, err := user.Lookup(shareUser); err == nil {
		return nil
	}
	_, err := run(ctx, "", "useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", shareUser)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 9 {
		return nil // another lab was faster
	}
	return err
}
