package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/tests/tier"
)

// earlier are builds whose runs go on under this one, by their commits. There is no release of
// before the first of them, and settings that are not anchored on the share yet (before 2d411df)
// count as none.
var earlier = []struct {
	commit   string
	why      string
	restores bool // it can restore by a worker
}{
	{commit: "d912166", why: "the first that hands short lists on in the history"},
	{commit: "066ff1f", why: "the first with the restore that is recorded", restores: true},
	{commit: "a4a88c5", why: "of one whose plans are the same", restores: true},
}

// builtFrom makes the programs of a commit in a folder of their own.
func builtFrom(t *testing.T, commit string) string {
	t.Helper()
	source, bin := t.TempDir(), t.TempDir()
	var packed bytes.Buffer
	archive := exec.Command("git", "-C", filepath.Join("..", ".."), "archive", "--format=tar", commit)
	archive.Stdout = &packed
	if err := archive.Run(); err != nil {
		t.Skipf("the commit %s is not at hand: %v", commit, err) // not a clone, or a shallow one
	}
	unpack := exec.Command("tar", "-x", "-C", source)
	unpack.Stdin = &packed
	out, err := unpack.CombinedOutput()
	require.NoError(t, err, string(out))
	for name, pkg := range map[string]string{"infrabackup": "./starter", "infrabackup-worker": "./worker"} {
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(bin, name), pkg)
		build.Dir = source
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		out, err := build.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return bin
}

// after waits a random part of a time.
func after(most time.Duration) {
	timer := time.NewTimer(rand.N(most))
	<-timer.C
}

// TestUpgradeInMidRun replaces the worker of an earlier build by this one at random moments of a
// backup and of a restore, without warning, and the other way round: each run finishes, once, and
// each build reads what the other has written.
func TestUpgradeInMidRun(t *testing.T) {
	if !tier.Soak() {
		t.Skip("earlier builds are compiled in the soak only")
	}
	t.Parallel()
	for _, before := range earlier {
		t.Run(before.commit, func(t *testing.T) {
			old := builtFrom(t, before.commit)
			for _, direction := range []struct {
				name     string
				from, to string
			}{{"upgrade", old, binaries(t)}, {"roll back", binaries(t), old}} {
				t.Run(direction.name, func(t *testing.T) {
					t.Parallel()
					t.Logf("%s: %s", before.commit, before.why)
					o := newIdleOperator(t, allSources)
					if !before.restores { // nor does it know of targets
						config := readAll(t, o.file("worker.yaml"))
						o.write("worker.yaml", strings.Replace(config, "targets: [site-c.yaml]\n", "", 1))
					}
					o.programs = direction.from
					o.startWorker()
					into[map[string]any](t, o.enable(nil))
					exchange := func() {
						o.kill()
						o.programs = direction.to
						o.startWorker()
					}
					back := func() {
						o.stop()
						o.programs = direction.from
						o.startWorker()
					}
					var last backup.Overview
					for range 5 {
						begun := into[struct {
							BackupID backup.ID `json:"backupId"`
						}](t, o.run("backup", "start", "-o", "json"))
						after(4 * time.Second)
						exchange()
						o.ended(begun.BackupID)
						last = into[backup.Overview](t, o.run("backup", "show", string(begun.BackupID), "-o", "json"))
						require.Equal(t, backup.Succeeded, last.Status)
						for _, programs := range []string{direction.from, direction.to} {
							o.programs = programs
							deep := into[backup.Verdict](t, o.run("backup", "verify", string(begun.BackupID), "--identity", o.file("operator.key"), "-o", "json"))
							require.Empty(t, deep.Findings)
						}
						back()
					}
					require.Len(t, into[[]backup.Overview](t, o.run("backup", "list", "-o", "json")), 5)
					audit := o.run("backup", "verify", "--all", "-o", "json")
					require.Zero(t, audit.code, "%s%s", audit.stdout, audit.stderr)
					if before.restores {
						o.restoredAcross(last.BackupID, exchange, back)
					}
				})
			}
		})
	}
}

// ended waits for the end of a backup with this build's command: earlier ones do not show what has
// ended already. What a worker that was killed had reserved comes back after some seconds, and
// until then nobody answers.
func (o *operator) ended(id backup.ID) {
	o.t.Helper()
	caller := *o
	caller.programs = binaries(o.t)
	var watched answer
	for range 8 {
		if watched = caller.run("backup", "watch", string(id)); watched.code != fault.ExitTemporal {
			break
		}
	}
	require.Zero(o.t, watched.code, "%s%s\n%s", watched.stdout, watched.stderr, readAll(o.t, o.log))
}

// restoredAcross restores the CA, and exchanges the worker's program at a random moment of it.
func (o *operator) restoredAcross(id backup.ID, exchange, back func()) {
	t := o.t
	identity := o.file("operator.key")
	for range 5 {
		planned := into[struct{ PlanID string }](t, o.run("restore", "plan", string(id), "--identity", identity, "--target", "site-c", "--service", "CA", "-o", "json"))
		applying, caller := make(chan answer, 1), *o // the operator's program stays the one that it was
		go func() {
			applying <- caller.run("restore", "apply", planned.PlanID, "--identity", identity, "--yes", "-o", "json")
		}()
		after(2 * time.Second)
		exchange()
		answered := <-applying
		if answered.code != 0 { // the other build would write something else than the plan says
			o.refused(answered, fault.PlanDiffers)
			require.Empty(t, held(t, o.file("restored")), "what was refused changed nothing")
			t.Log("the plan of the one build is refused by the other")
			back()
			continue
		}
		applied := into[struct{ Totals restore.Totals }](t, answered)
		require.True(t, applied.Totals.Whole(), "%+v", applied)
		for _, name := range []string{"cacert.pem", "private/cakey.pem"} {
			require.Equal(t, readAll(t, filepath.Join(o.env["LAB_CA_DIR"], name)), readAll(t, filepath.Join(o.file("restored"), name)))
		}
		undone := into[struct{ Totals restore.Totals }](t, o.run("restore", "undo", planned.PlanID, "--identity", identity, "--yes", "-o", "json"))
		require.True(t, undone.Totals.Whole(), "%+v", undone)
		require.Empty(t, held(t, o.file("restored")))
		back()
	}
}
