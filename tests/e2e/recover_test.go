package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/drilling"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/drill"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// recover brings the CA back into folders of other targets, with nothing but the share and
// the key, and takes it back again.
func (o *operator) recover(done backup.Overview) {
	t := o.t
	ca := o.file("recovered")
	require.NoError(t, os.Mkdir(ca, 0o700))
	const ownID = "99999999-2222-4333-8444-555555555555"
	target := func(id string) {
		o.write("target.yaml", "name: site b\nfqdn: b.example.com\ndeploymentId: "+id+"\nca:\n  dir: recovered\n")
	}
	target(ownID)
	state, identity := o.file("restores"), o.file("operator.key")
	run := func(verb string, args ...string) answer {
		all := append([]string{"recover", verb}, args...)
		all = append(all, "--identity", identity, "--state", state, "-o", "json")
		if verb != "show" && verb != "list" {
			all = append(all, "--target", o.file("target.yaml"), "--from", o.env["LAB_SHARE_DIR"])
		}
		return o.run(all...)
	}
	plan := func(name string, more ...string) (shown struct {
		PlanID     string
		Production bool
		Counts     struct{ Create, Update int }
		Origin     struct{ Cloud struct{ DeploymentID string } }
	}) {
		t.Helper()
		a := run("plan", append([]string{string(done.BackupID), "--plan", o.file(name)}, more...)...)
		require.Zero(t, a.code, a.stderr)
		require.NoError(t, json.Unmarshal([]byte(a.stdout), &shown))
		return shown
	}

	// An empty folder becomes what was backed up, and openssl works with it.
	first := plan("first.plan", "--service", "CA")
	require.False(t, first.Production)
	require.Positive(t, first.Counts.Create)
	require.Empty(t, held(t, ca), "a plan changes nothing")
	target("88888888-2222-4333-8444-555555555555")
	o.refused(run("apply", o.file("first.plan"), "--yes"), fault.TargetForeign)
	target(ownID)
	require.NoError(t, os.WriteFile(filepath.Join(ca, "serial"), []byte("1000\n"), 0o600))
	o.refused(run("apply", o.file("first.plan"), "--yes"), fault.PlanStale)
	require.Len(t, held(t, ca), 1, "what was refused changed nothing")
	require.NoError(t, os.Remove(filepath.Join(ca, "serial")))
	a := run("apply", o.file("first.plan"), "--yes")
	require.Zero(t, a.code, a.stderr)
	for _, name := range []string{"cacert.pem", "newcerts/1000.pem", "private/cakey.pem"} {
		require.Equal(t, readAll(t, filepath.Join(o.env["LAB_CA_DIR"], name)), readAll(t, filepath.Join(ca, name)))
	}
	out, err := exec.Command("openssl", "verify", "-CAfile", filepath.Join(ca, "cacert.pem"), filepath.Join(ca, "newcerts", "1000.pem")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	o.refused(run("apply", o.file("first.plan"), "--yes"), fault.PlanApplied)
	again := plan("again.plan", "--service", "CA")
	require.Zero(t, again.Counts.Create+again.Counts.Update, "the target has everything")

	// Undo takes it back, and only once.
	a = run("undo", first.PlanID[:12], "--yes")
	require.Zero(t, a.code, a.stderr)
	require.Empty(t, held(t, ca))
	o.refused(run("undo", first.PlanID[:12], "--yes"), fault.PlanApplied)

	// The cloud that was backed up asks for its ID.
	target(first.Origin.Cloud.DeploymentID)
	require.True(t, plan("production.plan", "--service", "CA").Production)
	o.refused(run("apply", o.file("production.plan"), "--yes"), fault.TargetProduction)
	require.Empty(t, held(t, ca))
	a = run("apply", o.file("production.plan"), "--yes", "--yes-production", first.Origin.Cloud.DeploymentID)
	require.Zero(t, a.code, a.stderr)
	require.NotEmpty(t, held(t, ca))

	rows := into[[]struct{ PlanID, Kind, State string }](t, run("list"))
	require.Len(t, rows, 3)
	for _, row := range rows {
		require.Equal(t, "ended", row.State, "%+v", row)
	}
}

// siteC is what the worker of an operator may restore into.
const siteC = "77777777-2222-4333-8444-555555555555"

// restoreByWorker lets the worker bring the CA back into a folder of its target, take it back,
// and bring it back once more, which is left so: it returns that restore.
func (o *operator) restoreByWorker(done backup.Overview) (left string) {
	t := o.t
	ca, identity := o.file("restored"), o.file("operator.key")
	run := func(verb string, args ...string) answer {
		return o.run(append([]string{"restore", verb, "-o", "json"}, args...)...)
	}
	type plan struct {
		PlanID string
		Kind   restore.Kind
		Counts struct{ Create, Remove int }
	}
	o.refused(run("plan", "latest", "--identity", identity, "--target", "nowhere land"), fault.Usage)
	o.refused(run("plan", "latest", "--target", "site-c"), fault.Usage)
	o.refused(run("plan", "latest", "--identity", identity, "--target", "nowhere"), fault.TargetNotConfigured)
	o.refused(run("cancel"), fault.ItemNotFound)
	o.refused(run("watch"), fault.ItemNotFound)
	require.Empty(t, into[[]struct{}](t, run("list", "--identity", identity)))
	first := into[plan](t, run("plan", string(done.BackupID), "--identity", identity, "--target", "site-c", "--service", "CA"))
	require.Positive(t, first.Counts.Create)
	require.Empty(t, held(t, ca), "a plan changes nothing")
	o.refused(run("apply", first.PlanID, "--identity", identity), fault.Usage) // nobody is at a terminal to agree
	o.refused(run("apply", "ffffffff", "--identity", identity, "--yes"), fault.ItemNotFound)
	require.NoError(t, os.WriteFile(filepath.Join(ca, "serial"), []byte("1000\n"), 0o600))
	o.refused(run("apply", first.PlanID, "--identity", identity, "--yes"), fault.PlanStale)
	require.Len(t, held(t, ca), 1, "what was refused changed nothing")
	require.NoError(t, os.Remove(filepath.Join(ca, "serial")))
	applied := into[struct {
		PlanID string
		Totals restore.Totals
	}](t, run("apply", first.PlanID[:12], "--identity", identity, "--yes"))
	require.Equal(t, first.PlanID, applied.PlanID)
	require.True(t, applied.Totals.Whole(), "%+v", applied)
	for _, name := range []string{"cacert.pem", "newcerts/1000.pem", "private/cakey.pem"} {
		require.Equal(t, readAll(t, filepath.Join(o.env["LAB_CA_DIR"], name)), readAll(t, filepath.Join(ca, name)))
	}
	watched := into[struct{ PlanID string }](t, run("watch"))
	require.Equal(t, first.PlanID, watched.PlanID)
	o.refused(run("apply", first.PlanID, "--identity", identity, "--yes"), fault.PlanApplied)
	require.Equal(t, restore.OfBackup, into[plan](t, run("show", first.PlanID[:8], "--identity", identity)).Kind)
	undone := into[struct{ Totals restore.Totals }](t, run("undo", first.PlanID[:8], "--identity", identity, "--yes"))
	require.True(t, undone.Totals.Whole(), "%+v", undone)
	require.Empty(t, held(t, ca))
	o.refused(run("undo", first.PlanID, "--identity", identity, "--yes"), fault.PlanApplied)
	rows := into[[]struct{ State string }](t, run("list", "--identity", identity))
	require.Len(t, rows, 2)
	again := into[plan](t, run("plan", "latest", "--identity", identity, "--target", "site-c", "--service", "CA"))
	into[struct{}](t, run("apply", again.PlanID, "--identity", identity, "--yes"))
	return again.PlanID
}

// held are the files below a folder.
func held(t *testing.T, folder string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	}))
	return names
}

// recoverStamp brings what the resource managers held back into a stamp that was just
// installed, and takes it back again.
func (o *operator) recoverStamp(done backup.Overview) {
	t := o.t
	const region = "local.azurestack.test" // whose subscription of the operator the backup is of
	contents, err := inventory.Empty(inventory.Options{Seed: 7, Domain: region})
	require.NoError(t, err)
	s, err := stamp.Start(stamp.Options{Domain: region, Contents: contents, Versions: stamp.UncommonTypes()})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	const ownID = "99999999-2222-4333-8444-555555555555"
	o.write("stamp.pem", string(s.CA()))
	o.write("stamp.secret", s.ClientSecret()+"\n")
	o.write("stamp.yaml", fmt.Sprintf(`name: site b
fqdn: %s
deploymentId: %s
azure: {managementUrl: %s, adminManagementUrl: %s, authorityUrl: %s, clientId: %s, clientSecretFile: stamp.secret, caFile: stamp.pem, resolver: %s}
emptyDisks: true
`, region, ownID, s.TenantURL(), s.AdminURL(), s.AuthorityURL(), s.ClientID(), s.Resolver()))
	changes := func() (all []stamp.Entry) {
		for _, w := range s.Writes() {
			if w.Method != http.MethodPost { // a POST asks what a GET does not tell
				all = append(all, w)
			}
		}
		return all
	}
	run := func(verb string, args ...string) answer {
		return o.run(append([]string{"recover", verb, "--identity", o.file("operator.key"), "--state", o.file("restores"), "--target", o.file("stamp.yaml"), "--from", o.env["LAB_SHARE_DIR"], "-o", "json"}, args...)...)
	}
	type plan struct {
		PlanID     string
		Production bool
		Counts     struct{ Create, Update, Refused int }
	}
	first := into[plan](t, run("plan", string(done.BackupID), "--plan", o.file("stamp.plan")))
	require.True(t, first.Production, "it has the name of the cloud that was backed up")
	require.Greater(t, first.Counts.Create, 150)
	require.Empty(t, changes(), "a plan writes nothing")
	o.refused(run("apply", o.file("stamp.plan"), "--yes"), fault.TargetProduction)
	require.Empty(t, changes())
	applied := into[struct{ Totals restore.Totals }](t, run("apply", o.file("stamp.plan"), "--yes", "--yes-production", ownID, "--irreversible", "all"))
	require.True(t, applied.Totals.Whole(), "%+v", applied)
	made := map[string]int{}
	for _, w := range changes() {
		if w.Method == http.MethodPut && w.Status < 300 {
			made[string(w.Endpoint)+" "+strings.ToLower(w.Path)]++
		}
	}
	secrets := 0
	for id, times := range made {
		if strings.HasPrefix(id, "vault /secrets/") { // each version is a PUT of its own
			secrets++
			continue
		}
		require.Equal(t, 1, times, id)
	}
	require.Positive(t, secrets)
	o.requireVaults(s)
	again := into[plan](t, run("plan", string(done.BackupID), "--plan", o.file("stamp-again.plan")))
	require.Zero(t, again.Counts.Create+again.Counts.Update, "the target has everything")
	undone := into[struct{ Totals restore.Totals }](t, run("undo", first.PlanID[:12], "--yes", "--yes-production", ownID))
	require.True(t, undone.Totals.Whole(), "%+v", undone)
	o.drill(done)
}

// requireVaults compares what vaults hold with the stamp that was backed up, of which all
// secrets and certificates come back that it gave to the backup.
func (o *operator) requireVaults(s *stamp.Stamp) {
	t := o.t
	held := map[string]bool{}
	for object := range s.VaultObjects() {
		for _, v := range object.Versions {
			held[strings.ToLower(object.Vault+" "+object.Kind+" "+object.Name)+" "+vaultValue(t, v)] = true
		}
	}
	compared := 0
	now := time.Now().Unix()
	for _, object := range linesOf[inventory.VaultObject](o, "vault-objects.jsonl") {
		if object.Kind != "secrets" {
			continue
		}
		for _, v := range object.Versions {
			if !v.Enabled || v.Expires != 0 && v.Expires <= now || v.NotBefore > now || !v.Exportable {
				continue // the vault gave it to nobody
			}
			require.True(t, held[strings.ToLower(object.Vault+" secrets "+object.Name)+" "+vaultValue(t, v)], "%s/%s version %s is not in the target", object.Vault, object.Name, v.Version)
			compared++
		}
	}
	require.Positive(t, compared)
}

// vaultValue is the value of a version; "" for what has none.
func vaultValue(t *testing.T, v inventory.VaultVersion) string {
	var body struct{ Value string }
	require.NoError(t, json.Unmarshal(v.Body, &body))
	return body.Value
}

// drill restores the backup into the target once more, and has it proven.
func (o *operator) drill(done backup.Overview) {
	t := o.t
	key := o.file("drill.key")
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput()
	require.NoError(t, err, "%s", out)
	o.write("drill_signers", "infrabackup-drill namespaces=\"infrabackup-drill\" "+readAll(t, key+".pub"))
	certificates := o.file("drills")
	run := func() answer {
		return o.run("drill", "run", string(done.BackupID), "--identity", o.file("operator.key"), "--state", o.file("restores"), "--target", o.file("stamp.yaml"), "--from", o.env["LAB_SHARE_DIR"],
			"--signing-key", key, "--certificates", certificates, "--yes", "-o", "json")
	}
	o.refused(run(), fault.TargetNoDrill)
	require.NoDirExists(t, certificates)
	o.write("stamp.yaml", readAll(t, o.file("stamp.yaml"))+"drill: 99999999-2222-4333-8444-555555555555\n")
	first := into[drill.Certificate](t, run())
	require.Equal(t, drill.Passed, first.Result, "%+v", first.Findings)
	require.Len(t, first.Services, 6)
	second := into[drill.Certificate](t, run())
	require.Equal(t, first.Target.ItemsBefore, second.Target.ItemsBefore, "the first drill was taken back")

	files, err := filepath.Glob(filepath.Join(certificates, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	line := readAll(t, files[0])
	require.Equal(t, restore.Digest([]byte(line)), second.Previous)
	verify := exec.Command("ssh-keygen", "-Y", "verify", "-f", o.file("drill_signers"), "-I", "infrabackup-drill", "-n", "infrabackup-drill", "-s", files[0]+".sig")
	verify.Stdin = strings.NewReader(line)
	out, err = verify.CombinedOutput()
	require.NoError(t, err, "%s", out)
	signers := []string{"--allowed-signers", o.file("drill_signers"), "-o", "json"}
	require.Equal(t, first, into[drill.Certificate](t, o.run(append([]string{"drill", "verify", files[0]}, signers...)...)))
	require.Len(t, into[[]drilling.Listed](t, o.run(append([]string{"drill", "list", certificates}, signers...)...)), 2)
	o.refused(o.run(append([]string{"drill", "verify", files[0], "--allowed-signers", filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, backup.AllowedSignersFile)}, "-o", "json")...), fault.CertificateForged)
	require.NoError(t, os.WriteFile(files[0], []byte(strings.Replace(line, `"unexplained":0`, `"unexplained":1`, 1)), 0o600))
	o.refused(o.run(append([]string{"drill", "verify", files[0]}, signers...)...), fault.CertificateForged)
}
