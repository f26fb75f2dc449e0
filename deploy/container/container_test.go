package container

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// step is one line of a Containerfile.
type step struct{ word, rest string }

// steps reads the stages of a Containerfile: comments are left out, and lines that go on are joined.
func steps(t *testing.T, text string) (stages [][]step) {
	t.Helper()
	text = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, "")
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "FROM" {
			stages = append(stages, nil)
		}
		if word != "" {
			require.NotEmpty(t, stages, line)
			last := len(stages) - 1
			stages[last] = append(stages[last], step{word, rest})
		}
	}
	return stages
}

// image is a root file system as the Containerfile makes it.
type image struct {
	t          *testing.T
	root       string
	user       uint32
	entry, cmd []string
}

const version = "v0.0.0-image"

// build does what the Containerfile says: the first stage in the tree of this project, with its folder
// /out somewhere else, and the second into an empty folder.
func build(t *testing.T) *image {
	t.Helper()
	text, err := os.ReadFile("Containerfile")
	require.NoError(t, err)
	stages := steps(t, string(text))
	require.Len(t, stages, 2)
	out := t.TempDir()
	for _, s := range stages[0] {
		switch s.word {
		case "FROM", "WORKDIR", "COPY", "ARG": // the tree is there, and so is the toolchain
		case "RUN":
			if s.rest == "go mod download" { // what the tests were built with is there
				continue
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(s.rest, "/out", out))
			cmd.Dir = filepath.Join("..", "..")
			cmd.Env = append(os.Environ(), "VERSION="+version)
			printed, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s: %s", s.rest, printed)
		default:
			t.Fatalf("the test does not know %s", s.word)
		}
	}
	i := &image{t: t, root: filepath.Join(t.TempDir(), "root")}
	require.NoError(t, os.Mkdir(i.root, 0o755))
	for _, s := range stages[1] {
		switch s.word {
		case "FROM":
			require.Equal(t, "scratch", s.rest)
		case "COPY":
			i.copy(out, s.rest)
		case "USER":
			id, err := strconv.ParseUint(strings.Split(s.rest, ":")[0], 10, 32)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("%d:%d", id, id), s.rest)
			i.user = uint32(id)
		case "ENTRYPOINT":
			require.NoError(t, json.Unmarshal([]byte(s.rest), &i.entry))
		case "CMD":
			require.NoError(t, json.Unmarshal([]byte(s.rest), &i.cmd))
		default:
			t.Fatalf("the test does not know %s", s.word)
		}
	}
	return i
}

// copy does a COPY from the first stage.
func (i *image) copy(out, rest string) {
	i.t.Helper()
	words, owner := strings.Fields(rest), "0:0"
	require.Equal(i.t, "--from=build", words[0])
	words = words[1:]
	if chown, ok := strings.CutPrefix(words[0], "--chown="); ok {
		owner, words = chown, words[1:]
	}
	to := filepath.Join(i.root, words[len(words)-1])
	require.NoError(i.t, os.MkdirAll(filepath.Dir(to), 0o755))
	for _, from := range words[:len(words)-1] {
		if strings.HasPrefix(from, "/out/") {
			from = filepath.Join(out, strings.TrimPrefix(from, "/out/"))
		}
		into := to
		if strings.HasSuffix(words[len(words)-1], "/") {
			require.NoError(i.t, os.MkdirAll(to, 0o755))
			into = filepath.Join(to, filepath.Base(from))
		}
		i.outside("cp", "-rL", "--preserve=mode", "--no-target-directory", from, into)
		i.outside("chown", "-R", owner, into)
	}
}

// outside runs a tool of the machine.
func (i *image) outside(name string, args ...string) {
	i.t.Helper()
	printed, err := exec.CommandContext(i.t.Context(), name, args...).CombinedOutput()
	require.NoError(i.t, err, "%s %v: %s", name, args, printed)
}

// command is a program in the image, as its user.
func (i *image) command(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Path, cmd.Dir, cmd.Env = args[0], "/", []string{"PATH=/usr/bin", "HOME=/var/lib/infrabackup"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Credential: &syscall.Credential{Uid: i.user, Gid: i.user}}
	return cmd
}

// run runs a program to its end.
func (i *image) run(env []string, args ...string) (code int, printed string) {
	i.t.Helper()
	cmd := i.command(args...)
	cmd.Env = append(cmd.Env, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState == nil {
		require.NoError(i.t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// write puts what an operator mounts into the image, for its user alone.
func (i *image) write(name, text string) {
	i.t.Helper()
	path := filepath.Join(i.root, name)
	require.NoError(i.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(i.t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(i.t, os.Chown(path, int(i.user), int(i.user)))
}

// TestImage: the root file system that the Containerfile makes has no more than it needs, and a worker
// in it, without a shell or a library, makes a backup on a real share.
func TestImage(t *testing.T) {
	env := lab.Use(t)
	if os.Geteuid() != 0 {
		t.Skip("only root may change the root folder")
	}
	i := build(t)
	var all []string
	require.NoError(t, filepath.WalkDir(i.root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, i.root))
		}
		return err
	}))
	require.ElementsMatch(t, []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/bin/infrabackup", "/usr/bin/infrabackup-worker"}, all)
	require.NotZero(t, i.user, "it does not run as root")
	state, err := os.Stat(filepath.Join(i.root, "var/lib/infrabackup/spool"))
	require.NoError(t, err)
	require.Equal(t, []any{os.FileMode(0o700), i.user}, []any{state.Mode().Perm(), state.Sys().(*syscall.Stat_t).Uid})

	code, printed := i.run(nil, append(i.entry, "--version")...)
	require.Equal(t, []any{0, "infrabackup-worker " + version + "\n"}, []any{code, printed})
	code, printed = i.run(nil, i.entry...)
	require.Equal(t, 78, code, "without a configuration: %s", printed)

	// As an engine does.
	require.NoError(t, os.Mkdir(filepath.Join(i.root, "proc"), 0o555))
	require.NoError(t, syscall.Mount("proc", filepath.Join(i.root, "proc"), "proc", 0, ""))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(filepath.Join(i.root, "proc"), syscall.MNT_DETACH)) })
	code, printed = i.run(nil, "/usr/bin/infrabackup", "codec-key", "generate", "--out", "/var/lib/infrabackup/codec.keys")
	require.Zero(t, code, printed)
	password, err := os.ReadFile(env["LAB_SHARE_PASSWORD_FILE"])
	require.NoError(t, err)
	i.write("etc/infrabackup/share.password", string(password))
	i.outside("cp", "-r", env["LAB_CA_DIR"], filepath.Join(i.root, "etc/infrabackup/ca"))
	i.outside("chown", "-R", fmt.Sprint(i.user), filepath.Join(i.root, "etc/infrabackup/ca"))
	const instance = "image-local"
	i.write("etc/infrabackup/worker.yaml", fmt.Sprintf(`instance: {name: %s, fqdn: local.azurestack.test, region: local, deploymentId: 7c5f3c1e-6a0b-4f7e-9d55-0a3c1f5d2b10}
temporal: {address: "%s"}
codec: {keyFile: /var/lib/infrabackup/codec.keys}
spool: {dir: /var/lib/infrabackup/spool}
host: container
sources: {ca: {dir: ca}}
`, instance, env["TEMPORAL_ADDRESS"]))
	code, printed = i.run(nil, append(i.entry, append(i.cmd, "--check")...)...)
	require.Zero(t, code, printed)

	notified, socket := notifications(t, i)
	worker := i.command(append(i.entry, i.cmd...)...)
	worker.Env = append(worker.Env, "NOTIFY_SOCKET="+socket)
	var log bytes.Buffer
	worker.Stdout, worker.Stderr = &log, &log
	require.NoError(t, worker.Start())
	ended := make(chan error, 1)
	go func() { ended <- worker.Wait() }()
	select {
	case <-notified:
	case err := <-ended:
		require.Fail(t, "the worker has ended", "%v: %s", err, log.String())
	case <-time.After(time.Minute):
		require.Fail(t, "the worker is not ready")
	}
	mine := []string{"INFRABACKUP_INSTANCE=" + instance, "INFRABACKUP_CODEC_KEY_FILE=/var/lib/infrabackup/codec.keys", "TEMPORAL_ADDRESS=" + env["TEMPORAL_ADDRESS"]}
	code, printed = i.run(mine, "/usr/bin/infrabackup", "key", "generate", "--out", "/var/lib/infrabackup/operator.key")
	require.Zero(t, code, printed)
	recipient := regexp.MustCompile(`age1[0-9a-z]+`).FindString(printed)
	require.NotEmpty(t, recipient)
	for _, args := range [][]string{
		{"enable", "--share", env["LAB_SHARE"], "--username", env["LAB_SHARE_USER"], "--password-file", "/etc/infrabackup/share.password", "--recipient", recipient},
		{"backup", "start", "--wait"},
		{"backup", "verify", "latest"},
		{"doctor"},
	} {
		code, printed = i.run(mine, append([]string{"/usr/bin/infrabackup"}, args...)...)
		require.Zero(t, code, "%v: %s", args, printed)
	}
	require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-ended, "%s", log.String())
	left, err := os.ReadDir(filepath.Join(i.root, "var/lib/infrabackup/spool"))
	require.NoError(t, err)
	for _, e := range left {
		require.False(t, e.IsDir(), "the spool is empty: %s", e.Name())
	}
}

// notifications is a service manager's socket in the image.
func notifications(t *testing.T, i *image) (got <-chan string, socket string) {
	t.Helper()
	socket = "/n" // the path from outside is long, and may have 107 bytes
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(i.root, socket), Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	require.NoError(t, os.Chown(filepath.Join(i.root, socket), int(i.user), int(i.user)))
	received := make(chan string, 8)
	go func() {
		buffer := make([]byte, 64)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return // closed
			}
			received <- string(buffer[:n])
		}
	}()
	return received, socket
}
