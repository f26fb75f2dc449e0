package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// recovery is a frozen backup, a target, and where plans and journals go.
type recovery struct {
	*frozen
	ca, target, plan, state string
}

const targetID = "99999999-2222-4333-8444-555555555555"

func newRecovery(t *testing.T) *recovery {
	t.Helper()
	dir := t.TempDir()
	r := &recovery{frozen: thaw(t), ca: filepath.Join(dir, "ca"), target: filepath.Join(dir, "target.yaml"), plan: filepath.Join(dir, "ca.plan"), state: filepath.Join(dir, "state")}
	require.NoError(t, os.Mkdir(r.ca, 0o700))
	r.configure(targetID)
	return r
}

func (r *recovery) configure(deployment string) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(r.target, []byte("name: site b\nfqdn: b.example.com\ndeploymentId: "+deployment+"\nca:\n  dir: ca\n"), 0o600))
}

// run runs a command with the flags that it takes; at a terminal nobody answers.
func (r *recovery) run(command string, more ...string) outcome {
	r.t.Helper()
	args := append([]string{"recover"}, strings.Fields(command)...)
	args = append(args, "--instance", frozenInstance, "--identity", r.key, "--state", r.state)
	if verb := args[1]; verb != "show" && verb != "list" {
		args = append(args, "--target", r.target, "--from", r.folder, "--allowed-signers", r.trusted())
	}
	return call(r.t, "", nil, append(args, more...)...)
}

// held is what lies in the target's folder.
func (r *recovery) held() map[string]string {
	r.t.Helper()
	files := map[string]string{}
	require.NoError(r.t, filepath.WalkDir(r.ca, func(name string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		files[strings.TrimPrefix(name, r.ca)] = string(data)
		return err
	}))
	return files
}

func TestRecoverRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(r *recovery)
		command string
		code    fault.Code
	}{
		"no service of the target": {nil, "plan latest --service AD --plan $", fault.TargetNotConfigured},
		"an unknown policy":        {nil, "plan latest --policy CA=replace --plan $", fault.Usage},
		"an unknown item":          {nil, "plan latest --item none --plan $", fault.ItemNotFound},
		"a plan that is there": {func(r *recovery) { require.NoError(r.t, os.WriteFile(r.plan, nil, 0o600)) },
			"plan latest --plan $", fault.AlreadyExists},
		"no plan":         {nil, "apply $ --yes", fault.Usage},
		"not a plan":      {func(r *recovery) { require.NoError(r.t, os.WriteFile(r.plan, []byte("{}\n"), 0o600)) }, "apply $ --yes", fault.PlanInvalid},
		"no such restore": {nil, "undo abcdef --yes", fault.ItemNotFound},
		"a target file that is wrong": {func(r *recovery) { require.NoError(r.t, os.WriteFile(r.target, []byte("name: x\n"), 0o600)) },
			"plan latest --plan $", fault.ConfigInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecovery(t)
			if test.prepare != nil {
				test.prepare(r)
			}
			before := r.held()
			out := r.run(strings.ReplaceAll(test.command, "$", r.plan))
			require.Contains(t, out.stderr, string(test.code))
			require.NotZero(t, out.code)
			require.Equal(t, before, r.held())
		})
	}
}
