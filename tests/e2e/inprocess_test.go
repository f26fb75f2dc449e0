package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/share/dir"
	"infrabackup/tests/tier"
)

const useExisting = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING

func blob(t *testing.T, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	_, err := rand.Read(data)
	require.NoError(t, err)
	return data
}

// repo opens the share as an outsider does.
func (c *controller) repo() *repository.Repository {
	c.t.Helper()
	store, err := dir.Open(c.shareDir)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { require.NoError(c.t, store.Close()) })
	return repository.New(store, c.instance.Name)
}

// freeze keeps a backup for tests/compat.
var freeze = flag.String("freeze", "", "keep the backup of TestBackupOpensWithStockTools, and its key, in this new folder")

func TestBackupOpensWithStockTools(t *testing.T) {
	t.Parallel()
	big := blob(t, 100_000)
	c := newController(t,
		&items{service: backup.AD, records: 2500},
		&items{service: backup.CA, files: map[string][]byte{"blob": big}},
	)
	summary := c.enable()
	require.Equal(t, int64(1), summary.Revision)
	id, run := c.begin()
	overview, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, backup.Succeeded, overview.Status)
	require.Len(t, overview.Services, 2)
	require.Equal(t, int64(2500), overview.Services[0].Items)

	verdict, err := audit.Verify(t.Context(), c.repo(), id, audit.VerifyOptions{Identities: c.operator})
	require.NoError(t, err)
	require.Empty(t, verdict.Findings)
	require.Equal(t, int64(2501), verdict.Items)
	made, err := c.repo().Open(t.Context(), backup.Ref{ID: id})
	require.NoError(t, err)
	require.NotNil(t, made.Manifest().Consistency)
	require.Equal(t, backup.MeasureSkew(overview.Services), made.Manifest().Consistency.Skew)

	folder := filepath.Join(c.shareDir, overview.Path)
	identity := filepath.Join(t.TempDir(), "operator.key")
	require.NoError(t, os.WriteFile(identity, []byte(c.identity.Reveal()), 0o600))
	script := `set -eu
sha256sum --quiet -c SHA256SUMS
ssh-keygen -Y verify -f ../../allowed_signers -I infrabackup -n infrabackup -s SHA256SUMS.sig < SHA256SUMS
mkdir "$OUT"
age -d -i "$KEY" key.age > "$OUT/backup.key"
age -d -i "$OUT/backup.key" ca.tar.zst.age | zstd -d | tar x -C "$OUT"
age -d -i "$OUT/backup.key" ad.tar.zst.age | zstd -d | tar x -C "$OUT"
cat "$OUT"/thing/*.jsonl | wc -l`
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "OUT="+out, "KEY="+identity)
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	require.Contains(t, string(text), "2500")
	got, err := os.ReadFile(filepath.Join(out, "files", "blob"))
	require.NoError(t, err)
	require.Equal(t, big, got)

	if *freeze != "" {
		require.NoError(t, os.CopyFS(filepath.Join(*freeze, "share"), os.DirFS(c.shareDir)))
		require.NoError(t, os.WriteFile(filepath.Join(*freeze, "operator.key"), []byte(c.identity.Reveal()), 0o600))
	}

	left, err := os.ReadDir(filepath.Join(c.shareDir, c.instance.Name, backup.IncomingDir))
	require.NoError(t, err)
	require.Empty(t, left)
	spooled, err := os.ReadDir(c.spoolDir)
	require.NoError(t, err)
	require.Empty(t, spooled)
}

func TestSecondBackupIsRefused(t *testing.T) {
	t.Parallel()
	source := &items{service: backup.AD, records: 3, gate: make(chan struct{}), reached: make(chan struct{})}
	c := newController(t, source)
	c.enable()
	_, run := c.begin()
	<-source.reached
	_, err := flow.Backup.Start(t.Context(), c.client, client.StartWorkflowOptions{
		ID: flow.BackupWorkflowID(c.instance.Name), TaskQueue: flow.Queue(c.instance.Name),
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, flow.BackupInput{Instance: c.instance.Name})
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	require.ErrorAs(t, err, &running)
	require.Equal(t, run.GetRunID(), running.RunId)
	close(source.gate)
	_, err = run.Get(t.Context())
	require.NoError(t, err)
}

func TestFailedServiceLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	c := newController(t,
		&items{service: backup.AD, records: 10},
		&items{service: backup.CA, fail: fault.Newf(fault.SourceAccessDenied, "the folder may not be read")},
	)
	c.enable()
	_, run := c.begin()
	overview, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, backup.PartialSucceeded, overview.Status)
	require.Equal(t, string(fault.SourceAccessDenied), overview.Services[1].Code)
	require.Equal(t, backup.Succeeded, overview.Services[0].Status)
}

func TestCancelLeavesNothing(t *testing.T) {
	t.Parallel()
	source := &items{service: backup.AD, records: 3, gate: make(chan struct{}), reached: make(chan struct{})}
	c := newController(t, source)
	c.enable()
	_, run := c.begin()
	<-source.reached
	require.NoError(t, c.client.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
	_, err := run.Get(t.Context())
	require.Equal(t, fault.Cancelled, flow.DecodeFault(err).Code)
	for _, dir := range []string{backup.IncomingDir, backup.BackupsDir} {
		left, err := os.ReadDir(filepath.Join(c.shareDir, c.instance.Name, dir))
		require.NoError(t, err)
		require.Empty(t, left, dir)
	}
}

func TestEveryChangedFileIsNamed(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 100}, &items{service: backup.CA, files: map[string][]byte{"a": blob(t, 100_000)}})
	c.enable()
	_, run := c.begin()
	overview, err := run.Get(t.Context())
	require.NoError(t, err)
	_, run2 := c.begin()
	other, err := run2.Get(t.Context())
	require.NoError(t, err)
	folder := filepath.Join(c.shareDir, overview.Path)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, 7)

	verify := func(t *testing.T) backup.Verdict {
		t.Helper()
		for {
			run, err := flow.Verify.Start(t.Context(), c.client, client.StartWorkflowOptions{
				ID: flow.VerifyWorkflowID(c.instance.Name, overview.BackupID), TaskQueue: flow.Queue(c.instance.Name),
			}, flow.VerifyInput{Instance: c.instance.Name, BackupID: overview.BackupID})
			if errors.Is(err, context.DeadlineExceeded) && t.Context().Err() == nil {
				// The server did not answer in time: a run that it began all the same has no
				// go-ahead, and its end is waited for.
				_, err = flow.Verify.Attach(t.Context(), c.client, flow.VerifyWorkflowID(c.instance.Name, overview.BackupID), "").Get(t.Context())
				t.Logf("asked once more: %v", err)
				continue
			}
			require.NoError(t, err)
			verdict, err := run.Get(context.WithoutCancel(t.Context()))
			require.NoError(t, err)
			return verdict
		}
	}
	require.Empty(t, verify(t).Findings)

	changes := map[string]func(t *testing.T, file string, data []byte){
		"one bit in the middle": func(t *testing.T, file string, data []byte) {
			data[len(data)/2] ^= 1
			require.NoError(t, os.WriteFile(file, data, 0o600))
		},
		"first bit": func(t *testing.T, file string, data []byte) {
			data[0] ^= 0x80
			require.NoError(t, os.WriteFile(file, data, 0o600))
		},
		"truncated": func(t *testing.T, file string, data []byte) {
			require.NoError(t, os.WriteFile(file, data[:len(data)-1], 0o600))
		},
		"extended": func(t *testing.T, file string, data []byte) {
			require.NoError(t, os.WriteFile(file, append(data, '\n'), 0o600))
		},
		"missing": func(t *testing.T, file string, _ []byte) { require.NoError(t, os.Remove(file)) },
		"swapped": func(t *testing.T, file string, _ []byte) {
			theirs, err := os.ReadFile(filepath.Join(c.shareDir, other.Path, filepath.Base(file)))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, theirs, 0o600))
		},
	}
	// That each file's damage is found in each way is shown in internal/repository/audit: here each
	// file meets one change, each change meets a file, and in the soak all meet all.
	stride := tier.Size(1, len(changes), 1)
	first := firstOf(t, stride)
	for i, name := range slices.Sorted(maps.Keys(changes)) {
		change := changes[name]
		for j, entry := range entries {
			if (i+j)%stride != first {
				continue
			}
			t.Run(name+" "+entry.Name(), func(t *testing.T) {
				file := filepath.Join(folder, entry.Name())
				before, err := os.ReadFile(file)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, os.WriteFile(file, before, 0o600)) })
				change(t, file, append([]byte{}, before...))
				verdict := verify(t)
				require.NotEmpty(t, verdict.Findings)
				named := false
				for _, f := range verdict.Findings {
					named = named || filepath.Base(f.File) == entry.Name()
				}
				require.True(t, named, "%+v", verdict.Findings)
			})
		}
	}
	t.Run("added", func(t *testing.T) {
		for name, found := range map[string]int{"extra.tar.zst.age": 1, "extra.txt": 0, ".DS_Store": 0} {
			added := filepath.Join(folder, name)
			require.NoError(t, os.WriteFile(added, []byte("x"), 0o600))
			verdict := verify(t)
			require.Len(t, verdict.Findings, found, name)
			require.Equal(t, 1-found, verdict.Foreign.Count, name)
			require.NoError(t, os.Remove(added))
		}
	})
	for _, name := range []string{backup.RecoveryFile, backup.AllowedSignersFile} {
		t.Run("beside the backups: "+name, func(t *testing.T) {
			file := filepath.Join(c.shareDir, c.instance.Name, name)
			before, err := os.ReadFile(file)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, os.WriteFile(file, before, 0o600)) })
			changed := append([]byte{}, before...)
			changed[len(changed)/2] ^= 1
			require.NoError(t, os.WriteFile(file, changed, 0o600))
			verdict := verify(t)
			require.Len(t, verdict.Findings, 1)
			require.Equal(t, name, filepath.Base(verdict.Findings[0].File))
		})
	}
	require.Empty(t, verify(t).Findings)
}

func TestNotEnabled(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 1})
	_, run := c.begin()
	_, err := run.Get(t.Context())
	require.Equal(t, fault.NotEnabled, flow.DecodeFault(err).Code, "%v", errors.Unwrap(err))
}
