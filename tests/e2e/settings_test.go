package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// shareFolder makes another folder on the lab's share and returns its UNC path.
func (o *operator) shareFolder(name string) string {
	o.t.Helper()
	root := o.env["LAB_SHARE_DIR"]
	folder := filepath.Join(root, o.instance+"-"+name)
	require.NoError(o.t, os.Mkdir(folder, 0o700))
	info, err := os.Stat(root)
	require.NoError(o.t, err)
	owner, ok := info.Sys().(*syscall.Stat_t)
	require.True(o.t, ok)
	require.NoError(o.t, os.Chown(folder, int(owner.Uid), int(owner.Gid)))
	require.NoError(o.t, os.Chmod(folder, info.Mode().Perm()))
	return o.env["LAB_SHARE"] + `\` + filepath.Base(folder)
}

func (o *operator) listed() []backup.Overview {
	o.t.Helper()
	return into[[]backup.Overview](o.t, o.run("backup", "list", "-o", "json"))
}

type changedShare struct {
	Settings           settings.Summary
	Copied, LeftBehind int
}

// TestShareChanges moves to another share: refused values leave everything as it was,
// then without and with copying.
func TestShareChanges(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	first := o.backUp()
	o.write("wrong", "not-the-password")
	for name, c := range map[string]struct {
		args []string
		code fault.Code
	}{
		"unknown share":  {[]string{`\\` + strings.Split(o.env["LAB_SHARE"], `\`)[2] + `\nosuchshare`}, fault.ShareNotFound},
		"missing folder": {[]string{o.env["LAB_SHARE"] + `\no\such`}, fault.SharePathNotFound},
		"wrong password": {[]string{o.shareFolder("refused"), "--username", o.env["LAB_SHARE_USER"], "--password-file", o.file("wrong")}, fault.ShareAuthFailed},
		"Azure":          {[]string{`\\account.file.core.windows.net\share`}, fault.ShareUnsupported},
		"the same":       {[]string{o.env["LAB_SHARE"]}, fault.SettingsInvalid},
		"the folder":     {[]string{o.env["LAB_SHARE"] + `\` + o.instance}, fault.SettingsInvalid},
		"inside":         {[]string{o.env["LAB_SHARE"] + `\` + o.instance + `\backups`}, fault.SettingsInvalid},
		"copy to itself": {[]string{o.env["LAB_SHARE"], "--transport", "signed", "--copy"}, fault.SettingsInvalid},
	} {
		o.refused(o.run(append([]string{"share", "set", "-o", "json"}, c.args...)...), c.code)
		require.Equal(t, o.env["LAB_SHARE"], into[settings.Summary](t, o.run("settings", "show", "-o", "json")).Share.Path, name)
	}
	second := o.backUp()
	require.Len(t, o.listed(), 2, "the old share works still")

	moved := into[changedShare](t, o.run("share", "set", o.shareFolder("moved"), "-o", "json"))
	require.Equal(t, 2, moved.LeftBehind)
	require.Empty(t, o.listed())
	o.backUp()
	o.good()

	copied := into[changedShare](t, o.run("share", "set", o.shareFolder("copied"), "--copy", "-o", "json"))
	require.Equal(t, 1, copied.Copied)
	require.Len(t, o.listed(), 1)
	o.backUp()
	o.good()

	back := into[changedShare](t, o.run("share", "set", o.env["LAB_SHARE"], "--copy", "-o", "json"))
	require.Equal(t, 2, back.Copied)
	require.Len(t, o.listed(), 4)
	o.good()
	for _, b := range []backup.Overview{first, second} {
		require.True(t, o.opens(b, "operator.key"))
	}
	history := into[settings.History](t, o.run("settings", "history", "-o", "json")).Records
	outcomes := map[settings.Outcome]int{}
	for _, r := range history {
		outcomes[r.Outcome]++
		require.NotEmpty(t, r.By)
		require.NotContains(t, fmt.Sprint(r), "not-the-password")
	}
	require.Equal(t, map[settings.Outcome]int{settings.Applied: 4, settings.Refused: 6}, outcomes, "%+v", history)
}

// TestCredentialChanges gives wrong accounts, and then the right one.
func TestCredentialChanges(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	o.write("wrong", "not-the-password")
	o.refused(o.run("credentials", "set", "--password-file", o.file("wrong"), "-o", "json"), fault.ShareAuthFailed)
	o.refused(o.run("credentials", "set", "--username", "nobody-here", "--password-file", o.file("wrong"), "-o", "json"), fault.ShareAuthFailed)
	o.refused(o.run("credentials", "set", "--password-file", o.file("missing"), "-o", "json"), fault.ConfigInvalid)
	o.backUp()
	domain := `OTHER\` + o.env["LAB_SHARE_USER"]
	changed := o.run("credentials", "set", "--username", domain, "--password-file", o.env["LAB_SHARE_PASSWORD_FILE"], "-o", "json")
	require.Equal(t, domain, into[settings.Summary](t, changed).Username)
	o.backUp()
	require.NotContains(t, readAll(t, o.log)+o.run("settings", "history").stdout, "not-the-password")
}

// TestOneChangeAtATime lets two changes begin at the same instant.
func TestOneChangeAtATime(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	recipients := []string{o.newKey("a.key"), o.newKey("b.key"), o.newKey("c.key")}
	answers := make([]answer, len(recipients))
	var all sync.WaitGroup
	for i, recipient := range recipients {
		all.Go(func() { answers[i] = o.run("key", "set", "--recipient", recipient, "-o", "json") })
	}
	all.Wait()
	applied := 0
	for _, a := range answers {
		if a.code == 0 {
			applied++
			continue
		}
		require.Contains(t, []int{fault.ChangeRunning.Exit(), fault.SettingsChanged.Exit()}, a.code, a.stdout)
	}
	require.Positive(t, applied)
	o.backUp()
}

// forget ends the settings entity, as when Temporal and all it held are lost.
func (o *operator) forget() {
	o.t.Helper()
	c, err := client.Dial(client.Options{HostPort: o.env["TEMPORAL_ADDRESS"]})
	require.NoError(o.t, err)
	defer c.Close()
	require.NoError(o.t, c.TerminateWorkflow(o.t.Context(), flow.SettingsWorkflowID(o.instance), "", "lost"))
}

// strangersLine is the line of an allowed_signers file that trusts a key of somebody
// who has signed nothing here.
func strangersLine(t *testing.T) string {
	t.Helper()
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	return seal.AllowedSignersLine(key.Public())
}

// TestAdopt loses Temporal, and takes the backups over.
func TestAdopt(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	before := into[settings.Summary](t, o.enable(nil))
	first, gone := o.backUp(), o.backUp()
	into[backup.Overview](t, o.run("backup", "delete", string(gone.BackupID), "--yes", "-o", "json"))
	trusted := o.file("trusted")
	require.NoError(t, os.WriteFile(trusted, []byte(readAll(t, filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, backup.AllowedSignersFile))), 0o600))
	o.forget()

	o.refused(o.enable(nil), fault.InstanceOccupied)
	o.refused(o.run("backup", "list", "-o", "json"), fault.NotEnabled)
	o.write("untrusted", strangersLine(t))
	o.refused(o.run(append(o.enableArguments(), "--adopt", "--allowed-signers", o.file("untrusted"))...), fault.LedgerDamaged)
	after := into[settings.Summary](t, o.run(append(o.enableArguments(), "--adopt", "--allowed-signers", trusted)...))
	require.NotEqual(t, before.Controller, after.Controller)
	require.Equal(t, []string{before.SigningKey}, after.FormerSigners)
	require.Len(t, o.listed(), 1)
	require.Equal(t, first.BackupID, o.listed()[0].BackupID)
	o.backUp()
	o.good()
}

// enableArguments are those of a good enable.
func (o *operator) enableArguments() []string {
	return []string{"enable", "-o", "json", "--share", o.env["LAB_SHARE"], "--username", o.env["LAB_SHARE_USER"],
		"--password-file", o.env["LAB_SHARE_PASSWORD_FILE"], "--recipient", o.recipient}
}

// TestTwoControllers lets a second controller, with a Temporal namespace of its own,
// write to the folder of an instance.
func TestTwoControllers(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	o.backUp()
	other := o.twin("second-" + o.instance)
	other.refused(other.enable(nil), fault.InstanceOccupied)
	o.backUp()
	into[settings.Summary](t, other.run(append(other.enableArguments(), "--adopt")...))
	other.backUp()
	a := o.run("backup", "start", "--wait", "-o", "json")
	o.refused(a, fault.InstanceOccupied)
	require.Len(t, other.listed(), 3)
	other.good()
}

// TestForeignSignersAreNotAdopted lets somebody who can write to the share put a key of
// their own into its list, and the controller take the folder over.
func TestForeignSignersAreNotAdopted(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	o.backUp()
	elsewhere := o.shareFolder("elsewhere")
	into[changedShare](t, o.run("share", "set", elsewhere, "-o", "json"))
	list := filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, backup.AllowedSignersFile)
	stranger := strangersLine(t)
	require.NoError(t, os.WriteFile(list, []byte(readAll(t, list)+stranger), 0o600))
	key := strings.Fields(stranger)[3]
	out := o.run("share", "set", o.env["LAB_SHARE"], "--adopt", "-o", "json")
	require.NotContains(t, o.run("settings", "show", "-o", "json").stdout, key)
	require.NotContains(t, out.stdout, key)
}

// TestSnapshotRestored puts an old copy of the instance's folder back, as restoring the
// share from a snapshot does; the alarm stays until the operator begins a new ledger.
func TestSnapshotRestored(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	first := o.backUp()
	folder := filepath.Join(o.env["LAB_SHARE_DIR"], o.instance)
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	run := func(name string, args ...string) {
		out, err := exec.Command(name, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("cp", "-a", folder, snapshot)
	o.backUp()
	run("rm", "-rf", folder)
	run("cp", "-a", snapshot, folder)

	rolledBack := o.run("backup", "verify", "--all", "-o", "json")
	require.Equal(t, fault.ExitDamaged, rolledBack.code)
	require.Contains(t, rolledBack.stdout, string(fault.LedgerRolledBack))
	o.refused(o.run("backup", "start", "--wait", "-o", "json"), fault.LedgerRolledBack) // nothing is entered behind an entry that is gone
	o.refused(o.run("share", "set", o.env["LAB_SHARE"], "--adopt", "-o", "json"), fault.LedgerRolledBack)
	into[changedShare](t, o.run("share", "set", o.env["LAB_SHARE"], "--adopt", "--new-ledger", "-o", "json"))
	o.good()
	var finished []backup.ID // a run that found what starting could not see in time is in the list, too
	for _, b := range o.listed() {
		if b.Status == backup.Succeeded {
			finished = append(finished, b.BackupID)
		}
	}
	require.Equal(t, []backup.ID{first.BackupID}, finished)
	third := o.backUp()
	o.good()
	for _, b := range []backup.Overview{first, third} {
		require.True(t, o.opens(b, "operator.key"))
	}
}

// TestLostClaim changes controller.json by hand: backups are refused, doctor says why,
// and the controller takes its folder back.
func TestLostClaim(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	into[map[string]any](t, o.enable(nil))
	o.backUp()
	claim := filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, backup.ControllerFile)
	require.NoError(t, os.WriteFile(claim, []byte("{}"), 0o600))
	o.refused(o.run("backup", "start", "--wait", "-o", "json"), fault.InstanceOccupied)
	require.Contains(t, o.run("doctor").stdout, string(fault.InstanceOccupied))
	into[changedShare](t, o.run("share", "set", o.env["LAB_SHARE"], "--adopt", "-o", "json"))
	o.backUp()
	o.good()
}

// twin is another controller of the same instance.
func (o *operator) twin(namespace string) *operator {
	o.t.Helper()
	names, err := client.NewNamespaceClient(client.Options{HostPort: o.env["TEMPORAL_ADDRESS"]})
	require.NoError(o.t, err)
	defer names.Close()
	require.NoError(o.t, names.Register(o.t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * 3600 * 1e9),
	}))
	other := &operator{t: o.t, dir: o.t.TempDir(), env: o.env, instance: o.instance, recipient: o.recipient, traces: o.traces, programs: o.programs, namespace: namespace}
	for _, name := range []string{"codec.keys", "operator.key", "site-c.yaml"} {
		other.write(name, readAll(o.t, o.file(name)))
	}
	other.write("worker.yaml", strings.ReplaceAll(readAll(o.t, o.file("worker.yaml")), "namespace: default", "namespace: "+namespace))
	other.startWorker()
	return other
}

// TestCodecKeyRotation replaces the codec key; the settings outlive it.
func TestCodecKeyRotation(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	before := into[settings.Summary](t, o.enable(nil))
	o.backUp()
	keys := []string{"--codec-key-file", o.file("codec.keys")}
	require.Zero(t, o.run(append([]string{"codec-key", "add", "--id", "new"}, keys...)...).code)
	o.stop()
	o.startWorker()
	o.backUp()
	require.Zero(t, o.run(append([]string{"codec-key", "activate", "new"}, keys...)...).code)
	o.stop()
	o.startWorker()
	require.Equal(t, before.SigningKey, into[settings.Summary](t, o.run("settings", "show", "-o", "json")).SigningKey)
	require.Zero(t, o.run("settings", "reseal").code)
	o.backUp()
	require.Len(t, o.listed(), 3)

	// Without the old key the settings are there, since they were written again.
	require.Zero(t, o.run(append([]string{"codec-key", "remove", "e2e", "--yes"}, keys...)...).code)
	o.stop()
	o.startWorker()
	require.Equal(t, before.SigningKey, into[settings.Summary](t, o.run("settings", "show", "-o", "json")).SigningKey)
	o.backUp()
	o.good()
}
