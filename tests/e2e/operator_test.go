package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/restore"
	"infrabackup/internal/seal"
	"infrabackup/tests/lab"
)

var built struct {
	once sync.Once
	dir  string
	err  error
}

// binariesVariable names the folder in which the product is built already.
const binariesVariable = "INFRABACKUP_BIN"

// binaries is the folder of the product's programs, which are built once.
func binaries(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(binariesVariable); dir != "" {
		return dir
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "infrabackup-bin"); built.err != nil {
			return
		}
		for name, pkg := range map[string]string{"infrabackup": "./starter", "infrabackup-worker": "./worker"} {
			cmd := exec.Command("go", "build", "-o", filepath.Join(built.dir, name), pkg)
			cmd.Dir = filepath.Join("..", "..")
			if out, err := cmd.CombinedOutput(); err != nil {
				built.err = fmt.Errorf("build %s: %w: %s", name, err, out)
				return
			}
		}
	})
	require.NoError(t, built.err)
	return built.dir
}

// operator is a person at a terminal, and the worker that serves the instance.
type operator struct {
	t         *testing.T
	dir       string
	env       lab.Environment
	instance  string
	recipient string
	log       string
	traces    *receiver
	programs  string // the folder of the programs that are started
	namespace string // of Temporal, empty for the default
	pid       int    // of the worker
	stop      func()
	kill      func() // ends the worker as a power cut does
}

// newOperator starts a worker of a new instance on the lab, with all its sources.
func newOperator(t *testing.T) *operator { return newOperatorWith(t, allSources) }

// allSources are the lab's sources of all eight services.
func allSources(env lab.Environment) string {
	return fmt.Sprintf("  ad: {url: %s, caFile: %s, username: %s, passwordFile: %s, sysvol: true}\n", env["LAB_LDAP_URL"], env["LAB_LDAP_CA"], env["LAB_LDAP_USER"], env["LAB_LDAP_PASSWORD_FILE"]) +
		onlyCA(env) +
		fmt.Sprintf("  azure: {managementUrl: %s, adminManagementUrl: %s, authorityUrl: %s, clientId: %s, clientSecretFile: %s, caFile: %s, resolver: %s}\n",
			env["LAB_ARM_URL"], env["LAB_ADMIN_ARM_URL"], env["LAB_ARM_AUTHORITY"], env["LAB_ARM_CLIENT_ID"], env["LAB_ARM_SECRET_FILE"], env["LAB_ARM_CA"], env["LAB_ARM_RESOLVER"])
}

// onlyCA is a source that is captured within a moment.
func onlyCA(env lab.Environment) string { return fmt.Sprintf("  ca: {dir: %s}\n", env["LAB_CA_DIR"]) }

// newOperatorWith starts a worker with the given sources, as its configuration has them.
func newOperatorWith(t *testing.T, sources func(lab.Environment) string) *operator {
	t.Helper()
	o := newIdleOperator(t, sources)
	o.startWorker()
	return o
}

// newIdleOperator prepares all of [newOperatorWith], and starts no worker.
func newIdleOperator(t *testing.T, sources func(lab.Environment) string) *operator {
	t.Helper()
	o := &operator{t: t, dir: t.TempDir(), env: lab.Use(t), traces: newReceiver(t), programs: binaries(t)}
	id, err := backup.NewID(rand.Reader)
	require.NoError(t, err)
	o.instance = "op-" + string(id[:8])
	key, err := codec.GenerateKeyLine("e2e", rand.Reader)
	require.NoError(t, err)
	o.write("codec.keys", key)
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	o.recipient = recipient.Text
	o.write("operator.key", text.Reveal())
	require.NoError(t, os.Mkdir(o.file("restored"), 0o700))
	o.write("site-c.yaml", "name: site-c\nfqdn: c.example.com\ndeploymentId: "+siteC+"\nca:\n  dir: restored\n")
	o.write("worker.yaml", fmt.Sprintf(`instance: {name: %s, fqdn: local.azurestack.test, region: local, deploymentId: %s}
temporal: {address: %s, namespace: default}
codec: {keyFile: codec.keys}
spool: {dir: spool}
host: e2e
targets: [site-c.yaml]
sources:
%s`, o.instance, id, o.env["TEMPORAL_ADDRESS"], sources(o.env)))
	return o
}

func (o *operator) file(name string) string { return filepath.Join(o.dir, name) }

func (o *operator) write(name, text string) {
	o.t.Helper()
	require.NoError(o.t, os.WriteFile(o.file(name), []byte(text), 0o600))
}

func (o *operator) startWorker() {
	o.t.Helper()
	o.log = o.file("worker.log")
	log, err := os.OpenFile(o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(o.t, err)
	began := len(readAll(o.t, o.log))
	cmd := exec.Command(filepath.Join(o.programs, "infrabackup-worker"), "--config", o.file("worker.yaml"))
	cmd.Env = append(os.Environ(), o.traces.environment()...)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(o.t, cmd.Start())
	o.pid = cmd.Process.Pid
	o.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		if err := cmd.Wait(); err != nil {
			o.t.Errorf("the worker did not end in order: %v", err)
		}
		require.NoError(o.t, log.Close())
	})
	o.kill = func() {
		o.t.Helper()
		require.NoError(o.t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		o.stop = sync.OnceFunc(func() { require.NoError(o.t, log.Close()) })
		o.stop()
	}
	o.t.Cleanup(func() { o.stop() })
	require.Eventually(o.t, func() bool {
		data, err := os.ReadFile(o.log)
		return err == nil && bytes.Contains(data[began:], []byte("msg=ready"))
	}, time.Minute, 50*time.Millisecond)
}

// answer is what a command printed and its exit code.
type answer struct {
	code   int
	stdout string
	stderr string
}

// run runs the command line.
func (o *operator) run(args ...string) answer {
	o.t.Helper()
	return o.runWith(nil, args...)
}

// runWith is [operator.run] with more variables in the environment.
func (o *operator) runWith(environment []string, args ...string) answer {
	o.t.Helper()
	cmd := exec.Command(filepath.Join(o.programs, "infrabackup"), args...)
	cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+o.env["TEMPORAL_ADDRESS"], "INFRABACKUP_INSTANCE="+o.instance,
		"INFRABACKUP_CODEC_KEY_FILE="+o.file("codec.keys"))
	if o.namespace != "" {
		cmd.Env = append(cmd.Env, "TEMPORAL_NAMESPACE="+o.namespace)
	}
	cmd.Env = append(cmd.Env, environment...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	code := 0
	if exit, ok := err.(*exec.ExitError); ok {
		code, err = exit.ExitCode(), nil
	}
	require.NoError(o.t, err)
	return answer{code, stdout.String(), stderr.String()}
}

// enable runs enable with some flags replaced; an empty value drops the flag.
func (o *operator) enable(changes map[string]string) answer {
	o.t.Helper()
	flags := map[string]string{
		"--share": o.env["LAB_SHARE"], "--username": o.env["LAB_SHARE_USER"], "--password-file": o.env["LAB_SHARE_PASSWORD_FILE"], "--recipient": o.recipient,
	}
	for key, value := range changes {
		flags[key] = value
	}
	args := []string{"enable", "-o", "json"}
	for key, value := range flags {
		if value != "" {
			args = append(args, key, value)
		}
	}
	return o.run(args...)
}

// refused checks an error document.
func (o *operator) refused(a answer, code fault.Code) {
	o.t.Helper()
	var doc struct {
		Error struct{ Code, Message, Remedy string }
	}
	require.NoError(o.t, json.Unmarshal([]byte(a.stdout), &doc), "%s%s", a.stdout, a.stderr)
	require.Equal(o.t, string(code), doc.Error.Code, doc.Error.Message)
	require.Equal(o.t, code.Exit(), a.code)
	require.NotEmpty(o.t, doc.Error.Remedy)
}

func into[T any](t *testing.T, a answer) T {
	t.Helper()
	require.Zero(t, a.code, "%s%s", a.stdout, a.stderr)
	var v T
	require.NoError(t, json.Unmarshal([]byte(a.stdout), &v), a.stdout)
	return v
}

// TestEnableRefusals gives every wrong value; each has its own code, and nothing is
// active afterwards.
func TestEnableRefusals(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.write("wrong", "not-the-password")
	o.write("certificate.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	o.write("short.key", "c2hvcnQ=")
	server := `\\` + strings.Split(o.env["LAB_SHARE"], `\`)[2]
	tests := []struct {
		name    string
		changes map[string]string
		code    fault.Code
	}{
		{"wrong password", map[string]string{"--password-file": o.file("wrong")}, fault.ShareAuthFailed},
		{"unknown user", map[string]string{"--username": "nobody-here"}, fault.ShareAuthFailed},
		{"unknown share", map[string]string{"--share": server + `\nosuchshare`}, fault.ShareNotFound},
		{"missing folder", map[string]string{"--share": o.env["LAB_SHARE"] + `\no\such\folder`}, fault.SharePathNotFound},
		{"name that does not resolve", map[string]string{"--share": `\\no-such-host.invalid\s`}, fault.ShareNameUnresolved},
		{"nobody listens", map[string]string{"--share": `\\127.0.0.99\s`}, fault.ShareUnreachable},
		{"malformed path", map[string]string{"--share": `fs.example.com/share`}, fault.ShareInvalid},
		{"Azure file share", map[string]string{"--share": `\\account.file.core.windows.net\share`}, fault.ShareUnsupported},
		{"blob", map[string]string{"--share": `https://account.blob.core.windows.net/container`}, fault.ShareUnsupported},
		{"malformed recipient", map[string]string{"--recipient": "age1qqqq"}, fault.KeyInvalid},
		{"malformed certificate", map[string]string{"--recipient": "", "--certificate": o.file("certificate.pem")}, fault.KeyInvalid},
		{"short symmetric key", map[string]string{"--recipient": "", "--key-file": o.file("short.key")}, fault.KeyInvalid},
		{"no key", map[string]string{"--recipient": ""}, fault.Usage},
		{"no share", map[string]string{"--share": ""}, fault.Usage},
		{"missing password file", map[string]string{"--password-file": o.file("missing")}, fault.ConfigInvalid},
		{"unknown transport", map[string]string{"--transport": "plain"}, fault.SettingsInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o.t = t
			a := o.enable(tt.changes)
			o.refused(a, tt.code)
			require.NotContains(t, a.stdout+a.stderr, "not-the-password")
			o.refused(o.run("settings", "show", "-o", "json"), fault.NotEnabled)
		})
	}
	o.t = t
	require.NotContains(t, readAll(t, o.log), "not-the-password")
}

// TestOperatorsDay is the main job from enable to restore, with the built binaries.
func TestOperatorsDay(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.refused(o.run("backup", "start", "-o", "json"), fault.NotEnabled)
	into[map[string]any](t, o.enable(nil))
	o.refused(o.enable(nil), fault.AlreadyEnabled)

	doctor := o.run("doctor")
	require.Zero(t, doctor.code, "%s%s", doctor.stdout, doctor.stderr)
	for _, service := range backup.Services() {
		require.Regexp(t, `(?m)^ok +source `+string(service)+` +can be read$`, doctor.stdout)
	}

	// Two starts at the same instant: exactly one runs.
	answers := make([]answer, 2)
	var both sync.WaitGroup
	for i := range answers {
		both.Go(func() { answers[i] = o.run("backup", "start", "--wait", "-o", "json") })
	}
	both.Wait()
	winner, loser := answers[0], answers[1]
	if winner.code != 0 {
		winner, loser = loser, winner
	}
	o.refused(loser, fault.BackupRunning)
	require.Contains(t, loser.stdout, "run ")
	done := into[backup.Overview](t, winner)
	require.Equal(t, backup.Succeeded, done.Status)

	listed := into[[]backup.Overview](t, o.run("backup", "list", "-o", "json"))
	require.Len(t, listed, 1)
	require.Equal(t, done.BackupID, listed[0].BackupID)
	shown := into[backup.Overview](t, o.run("backup", "show", "latest", "-o", "json"))
	require.Equal(t, done.Path, shown.Path)
	require.Empty(t, into[backup.Verdict](t, o.runWith(o.traces.environment(), "backup", "verify", "latest", "-o", "json")).Findings)
	o.oneTrace("infrabackup backup verify", "RunActivity:"+flow.VerifyBackup.Name)
	deep := into[backup.Verdict](t, o.run("backup", "verify", "latest", "--identity", o.file("operator.key"), "-o", "json"))
	require.Empty(t, deep.Findings)
	o.eightServices(shown, deep)

	o.everyItem(done)
	o.restore(done)
	left := o.restoreByWorker(done)
	o.withoutTemporal(done)
	o.canaries()

	o.refused(o.run("backup", "verify", "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", "-o", "json"), fault.BackupNotFound)
	o.refused(o.run("backup", "delete", string(done.BackupID), "-o", "json"), fault.Usage)
	into[backup.Overview](t, o.run("backup", "delete", string(done.BackupID), "--yes", "-o", "json"))
	require.Empty(t, into[[]backup.Overview](t, o.run("backup", "list", "-o", "json")))
	undone := into[struct{ Totals restore.Totals }](t, o.run("restore", "undo", left, "--identity", o.file("operator.key"), "--yes", "-o", "json"))
	require.True(t, undone.Totals.Whole(), "its backup is gone, and it is taken back: %+v", undone)
	require.Empty(t, held(t, o.file("restored")))
}

// restore opens the backup in every form.
func (o *operator) restore(done backup.Overview) {
	t := o.t
	identity := o.file("operator.key")
	files := o.file("files")
	require.Zero(t, o.run("restore", "extract", "latest", "--identity", identity, "--to", files).code)
	for _, name := range []string{"cacert.pem", "index.txt", "newcerts/1000.pem", "private/cakey.pem"} {
		require.Equal(t, readAll(t, filepath.Join(o.env["LAB_CA_DIR"], name)), readAll(t, filepath.Join(files, "CA", "ca", name)))
	}
	o.refused(o.run("restore", "extract", "latest", "--identity", identity, "--to", files, "-o", "json"), fault.AlreadyExists)

	ldif := o.file("ldif")
	a := o.run("restore", "extract", string(done.BackupID), "--identity", identity, "--to", ldif, "--service", "AD", "--format", "ldif")
	require.Zero(t, a.code, a.stderr)
	require.Contains(t, readAll(t, filepath.Join(ldif, "ad-verbatim.ldif")), "dn: ")

	entries := into[[]backup.CatalogEntry](t, o.run("restore", "extract", "latest", "--identity", identity, "--service", "CA", "--list", "-o", "json"))
	require.NotEmpty(t, entries)
	one := o.file("one")
	require.Zero(t, o.run("restore", "extract", "latest", "--identity", identity, "--service", "CA", "--item", entries[0].ID, "--to", one).code)
	found, err := os.ReadDir(one)
	require.NoError(t, err)
	require.Len(t, found, 1)

	text, _, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	o.write("stranger.key", text.Reveal())
	o.refused(o.run("restore", "extract", "latest", "--identity", o.file("stranger.key"), "--to", o.file("never"), "-o", "json"), fault.KeyDoesNotFit)
	require.NoDirExists(t, o.file("never"))
}

// withoutTemporal opens the backup from the share's folder and from the share itself,
// as on the day when everything else is gone.
func (o *operator) withoutTemporal(done backup.Overview) {
	t := o.t
	address := o.env["TEMPORAL_ADDRESS"]
	o.env["TEMPORAL_ADDRESS"] = "127.0.0.1:1"
	defer func() { o.env["TEMPORAL_ADDRESS"] = address }()
	o.refused(o.run("backup", "list", "-o", "json"), fault.TemporalUnreachable)
	identity := o.file("operator.key")
	verdict := into[backup.Verdict](t, o.run("backup", "verify", "latest", "--identity", identity, "--from", o.env["LAB_SHARE_DIR"], "-o", "json"))
	require.Empty(t, verdict.Findings)
	require.Equal(t, done.BackupID, verdict.BackupID)
	direct := o.run("restore", "extract", "latest", "--identity", identity, "--service", "CA", "--to", o.file("direct"),
		"--share", o.env["LAB_SHARE"], "--username", o.env["LAB_SHARE_USER"], "--password-file", o.env["LAB_SHARE_PASSWORD_FILE"])
	require.Zero(t, direct.code, direct.stderr)
	o.recover(done)
	o.recoverStamp(done)
	o.recoverElsewhere(done)
}

func readAll(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(data)
}
