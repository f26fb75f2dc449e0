package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/fault"
)

// fileFlags are all flags and variables that name a file to be read, with what else
// their commands need.
var fileFlags = map[string]struct {
	args    []string
	env     string
	private bool
}{
	"identity":            {args: []string{"restore", "extract", "--to", "out", "--identity"}, private: true},
	"identity of verify":  {args: []string{"backup", "verify", "latest", "--identity"}, private: true},
	"identity of rewrap":  {args: []string{"key", "rewrap", "--identity"}, private: true},
	"identity of prove":   {args: []string{"key", "prove", "--identity"}, private: true},
	"answer":              {args: []string{"key", "prove", "--answer"}},
	"certificate":         {args: []string{"key", "set", "--certificate"}},
	"symmetric key":       {args: []string{"key", "set", "--key-file"}, private: true},
	"allowed signers":     {args: []string{"backup", "verify", "latest", "--from", ".", "--allowed-signers"}},
	"signers for adopt":   {args: []string{"share", "set", `\\fs\s`, "--adopt", "--allowed-signers"}},
	"password":            {args: []string{"credentials", "set", "--username", "u", "--password-file"}, private: true},
	"password of a share": {args: []string{"backup", "verify", "latest", "--share", `\\127.0.0.1\s`, "--username", "u", "--password-file"}, private: true},
	"token":               {args: []string{"codec-server", "--token-file"}, private: true},
	"codec keys":          {args: []string{"codec-key", "list", "--codec-key-file"}, private: true},
	"codec keys, changed": {args: []string{"codec-key", "add", "--codec-key-file"}, private: true},
	"variable":            {args: []string{"backup", "list"}, env: "INFRABACKUP_CODEC_KEY_FILE", private: true},
}

// callFile runs a command with a file of that name.
func callFile(t *testing.T, args []string, env, file string) outcome {
	t.Helper()
	if env != "" {
		return call(t, "", map[string]string{env: file}, args...)
	}
	return call(t, "", nil, append(append([]string{}, args...), file)...)
}

// No command waits for a named pipe, or takes a device, a file of somebody else, or one
// in a folder of somebody else.
func TestNoCommandReadsAFileThatIsNotTheCallers(t *testing.T) {
	t.Chdir(t.TempDir())
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(open, 0o700))
	require.NoError(t, os.Chmod(open, 0o777))
	loose := filepath.Join(t.TempDir(), "loose")
	files := map[string]string{"named pipe": pipe, "device": "/dev/zero", "folder of others": filepath.Join(open, "f"), "writable for all": loose}
	require.NoError(t, os.WriteFile(files["folder of others"], []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(loose, []byte("x"), 0o600))
	require.NoError(t, os.Chmod(loose, 0o606))
	readable := filepath.Join(t.TempDir(), "readable")
	require.NoError(t, os.WriteFile(readable, []byte("x"), 0o644))
	if os.Geteuid() == 0 {
		given := filepath.Join(t.TempDir(), "given")
		require.NoError(t, os.WriteFile(given, []byte("x"), 0o600))
		require.NoError(t, os.Chown(given, 54321, -1))
		files["another user's"] = given
	}
	for flag, test := range fileFlags {
		for name, file := range files {
			if flag == "codec keys, changed" && name == "another user's" {
				continue // root changes it for its owner
			}
			t.Run(flag+" is a "+name, func(t *testing.T) {
				out := callFile(t, test.args, test.env, file)
				require.Equal(t, fault.ExitUsage, out.code, out.stderr)
				require.Contains(t, out.stderr, file)
				require.Regexp(t, "is not a file|may be (read|written to) by others|others may write to the folder|belongs to user 54321", out.stderr)
			})
		}
		t.Run(flag+" may be read by all", func(t *testing.T) {
			out := callFile(t, test.args, test.env, readable)
			if test.private {
				require.Equal(t, fault.ExitUsage, out.code)
				require.Contains(t, out.stderr, "may be read by others")
			} else {
				require.NotContains(t, out.stderr, "by others")
			}
		})
	}
}

// What a shell makes of <(command) is the caller's own, and good.
func TestIdentityFromAnotherCommand(t *testing.T) {
	f := thaw(t)
	key, err := os.ReadFile(f.key)
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	_, err = w.Write(key)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	defer func() { require.NoError(t, r.Close()) }()
	f.key = "/dev/fd/" + strconv.Itoa(int(r.Fd()))
	to := filepath.Join(t.TempDir(), "to")
	require.Zero(t, f.extract(to).code)
}

// Keys and challenges are new files for their owner only, and follow no link.
func TestOutputsAreMadeExclusively(t *testing.T) {
	for name, args := range map[string][]string{
		"operator's key": {"key", "generate", "--out"},
		"codec key":      {"codec-key", "generate", "--out"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(dir, "target")
			require.NoError(t, os.WriteFile(target, []byte("mine"), 0o600))
			dangling, link := filepath.Join(dir, "dangling"), filepath.Join(dir, "link")
			require.NoError(t, os.Symlink(filepath.Join(dir, "none"), dangling))
			require.NoError(t, os.Symlink(target, link))
			for _, file := range []string{target, dangling, link} {
				require.Contains(t, call(t, "", nil, append(args, file)...).stderr, "ALREADY_EXISTS")
			}
			data, err := os.ReadFile(target)
			require.NoError(t, err)
			require.Equal(t, "mine", string(data))
			require.NoFileExists(t, filepath.Join(dir, "none"))

			made := filepath.Join(dir, "made")
			before := unix.Umask(0)
			out := call(t, "", nil, append(args, made)...)
			unix.Umask(before)
			require.Zero(t, out.code, out.stderr)
			info, err := os.Stat(made)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode())
		})
	}
}

// The program ends at a signal while it waits for what a pipe of the caller's gives.
func TestSignalEndsTheWaitForAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close()) }()
	cmd := exec.Command(os.Args[0], "key", "prove", "--identity", "/dev/fd/3")
	cmd.Env = append(os.Environ(), programVariable+"=1")
	cmd.ExtraFiles = []*os.File{r}
	require.NoError(t, cmd.Start())
	require.NoError(t, r.Close())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	// It may not have come to its signal handler yet, and then ends all the same.
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	select {
	case err := <-done:
		require.Error(t, err)
	case <-time.After(30 * time.Second):
		require.NoError(t, cmd.Process.Kill())
		t.Fatal("it is deaf to SIGTERM")
	}
}
