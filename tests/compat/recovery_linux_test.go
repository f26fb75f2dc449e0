package compat

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/repository"
	"infrabackup/tests/lab"
)

// nobody is an unprivileged user.
const nobody = 65534

const frozenInstance = "t-0ec3988e"

// commands are the lines of instructions that stand for commands.
func commands(text string) string {
	var script strings.Builder
	for line := range strings.Lines(text) {
		if command := strings.TrimLeft(line, " "); len(line)-len(command) >= 4 {
			script.WriteString(command)
		}
	}
	return script.String()
}

// everything is what lies in a folder, with the times of the last changes.
func everything(t *testing.T, folder string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, fmt.Sprint(path, " ", info.Mode(), " ", info.Size(), " ", info.ModTime()))
		}
		return err
	}))
	return all
}

// TestInstructionsAreFollowedByAnybody follows the instructions on the share, and those
// of the operator's handbook, command by command: as a user without rights who has a
// copy of the share, with stock tools. Nothing of it may reach the share.
func TestInstructionsAreFollowedByAnybody(t *testing.T) {
	lab.Require(t) // for the tools
	handbook, err := os.ReadFile(filepath.Join("..", "..", "deploy", "OPERATIONS.md"))
	require.NoError(t, err)
	_, worstDay, found := strings.Cut(string(handbook), "## The worst day")
	require.True(t, found)
	worstDay, _, _ = strings.Cut(worstDay, "\n## ")
	for name, text := range map[string]string{
		"RECOVERY.txt":  string(repository.RecoveryText(frozenInstance)),
		"OPERATIONS.md": worstDay,
	} {
		t.Run(name, func(t *testing.T) {
			home, mounted := lab.PublicDir(t), lab.PublicDir(t)
			share := filepath.Join(mounted, frozenInstance)
			require.NoError(t, os.CopyFS(share, os.DirFS(filepath.Join("testdata", "v1", "share", frozenInstance))))
			key, err := os.ReadFile(filepath.Join("testdata", "v1", "operator.key"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(home, "operator.key"), key, 0o600))
			// A careless mount: everybody may write everywhere.
			require.NoError(t, filepath.WalkDir(share, func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				return os.Chmod(path, 0o777)
			}))
			before := everything(t, share)

			script := commands(text)
			place := regexp.MustCompile(`(?m)^SHARE=.*$`)
			require.Regexp(t, place, script)
			script = place.ReplaceAllString(script, "SHARE="+share)
			require.Contains(t, script, "KEY=$HOME/operator.key\n")
			require.Contains(t, script, "rm -f backup.key\n")
			require.Contains(t, script, `rm -rf "$OUT"`+"\n")
			// What is there before it is removed: how it may be read, and what it is.
			script = strings.Replace(script, "rm -f backup.key\n", `stat -c %a . backup.key ad > "$HOME/modes"; cat ad/thing/*.jsonl | wc -l > "$HOME/records"; pwd > "$HOME/out"`+"\nrm -f backup.key\n", 1)
			cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
			cmd.Dir = share // where a reader stands who has just read the text
			cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home}
			if os.Geteuid() == 0 {
				for _, path := range []string{home, filepath.Join(home, "operator.key")} {
					require.NoError(t, os.Chown(path, nobody, nobody))
				}
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s\n%s", script, out)
			require.Contains(t, string(out), `Good "infrabackup" signature`)
			require.Contains(t, string(out), "manifest.json: OK")
			require.Contains(t, string(out), `"service":"AD"`, "the catalog")

			require.Equal(t, before, everything(t, share), "something reached the share")
			require.Equal(t, "700\n600\n700", read(t, home, "modes"))
			require.Equal(t, "2500", read(t, home, "records"))
			require.NoDirExists(t, read(t, home, "out"))
		})
	}
}

func read(t *testing.T, folder, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return strings.TrimSpace(string(data))
}
