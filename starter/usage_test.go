package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// A typing error is answered by what was meant, on one line.
func TestTypingErrors(t *testing.T) {
	for line, want := range map[string]string{
		"bakcup":                                     "did you mean `infrabackup backup`?",
		"bakcup list":                                "did you mean `infrabackup backup`?",
		"-o json bakcup":                             "did you mean `infrabackup backup`?",
		"--instance local bakcup":                    "did you mean `infrabackup backup`?",
		"backup strat --wait":                        "did you mean `infrabackup backup start`?",
		"backup --timeout 5s strat":                  "did you mean `infrabackup backup start`?",
		"strat --wait":                               "did you mean `infrabackup backup start`?",
		"start":                                      "did you mean `infrabackup backup start`?",
		"verify latest":                              "did you mean `infrabackup backup verify`",
		"ls":                                         "did you mean `infrabackup backup list`?",
		"backup rm x":                                "did you mean `infrabackup backup delete`?",
		"setings show":                               "did you mean `infrabackup settings`?",
		"settings shwo":                              "did you mean `infrabackup settings show`?",
		"frobnicate":                                 "it has ",
		"backup frobnicate":                          "unknown command \"frobnicate\" of infrabackup backup; it has ",
		"backup list --limt 5":                       "did you mean --limit?",
		"backup verify --idenity x":                  "did you mean --identity?",
		"backup list --frobnicate":                   "unknown flag --frobnicate of infrabackup backup list",
		"settings show now":                          `infrabackup settings show takes no argument, and "now" is given`,
		"backup start now":                           `infrabackup backup start takes no argument, and "now" is given`,
		"codec-server kye":                           `infrabackup codec-server takes no argument, and "kye" is given`,
		"backup show 0b1f4c2e x":                     "takes one argument, ID, and 2 are given",
		"schedule set":                               "give --every, --keep, --keep-verified, --on or --off",
		"schedule set --yes":                         "give --every, --keep, --keep-verified, --on or --off",
		"schedule set --on=false":                    "give --every, --keep, --keep-verified, --on or --off",
		"schedule set --on --off":                    "--on and --off contradict each other",
		"schedule set --every 3h":                    "--every is 3h, and has to be from 4h to 12h",
		"schedule set --every 13h":                   "--every is 13h, and has to be from 4h to 12h",
		"schedule set --every -4h":                   "--every is -4h, and has to be from 4h to 12h",
		"schedule set --every 90m":                   "--every 1h30m0s is not a whole number of hours",
		"schedule set --keep 1":                      "--keep is 1, and has to be from 2 to 14 days",
		"schedule set --keep 15 --on":                "--keep is 15, and has to be from 2 to 14 days",
		"schedule set --keep-verified 0":             "--keep-verified is 0, and has to be from 1 to 100",
		"schedule set --keep-verified 101 --keep 7":  "--keep-verified is 101, and has to be from 1 to 100",
		"enable --share \\fsAzSBackups --username u": "put it in single quotes",
		"enable --share fsAzSBackups --username u":   "put it in single quotes",
		"share set \\fs\\AzSBackups":                 "put it in single quotes",
	} {
		t.Run(line, func(t *testing.T) {
			out := call(t, "", map[string]string{"INFRABACKUP_CODEC_KEY_FILE": "/none"}, strings.Fields(line)...)
			require.Equal(t, fault.ExitUsage, out.code, out.stderr)
			said := out.stdout + out.stderr
			require.Contains(t, strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(said), want)
			require.NotContains(t, said, "Did you mean this")
			if !strings.Contains(line, "json") {
				require.Equal(t, 1, strings.Count(said, "\n"), said)
			}
		})
	}
}

func TestVersionIsAFlagToo(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"version"}} {
		out := call(t, "", nil, args...)
		require.Zero(t, out.code)
		require.Regexp(t, `^infrabackup \S+, format \d+\n$`, out.stdout)
	}
	require.JSONEq(t, call(t, "", nil, "version", "-o", "json").stdout, call(t, "", nil, "--version", "-o", "json").stdout)
}

// Folder and beginning of an ID mean the backup.
func TestABackupByItsFolderOrTheBeginningOfItsID(t *testing.T) {
	f := thaw(t)
	for _, name := range []string{frozenBackup[:8], "20261123T195927Z_" + frozenBackup, f.backup} {
		out := call(t, "", nil, "backup", "verify", name, "--instance", frozenInstance, "--from", f.folder)
		require.Zero(t, out.code, out.stderr)
		require.Contains(t, out.stdout, frozenBackup)
	}
	out := call(t, "", nil, "backup", "verify", "ffff", "--instance", frozenInstance, "--from", f.folder)
	require.Equal(t, fault.ExitNotFound, out.code)
	require.Contains(t, out.stderr, "no backup has an ID that begins with ffff")
}

// TestEveryCommandSaysWhatItTakes gives each command more than it takes.
func TestEveryCommandSaysWhatItTakes(t *testing.T) {
	seen := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.Name() == "help" || cmd.Name() == "completion" || cmd.HasParent() && cmd.Parent().Name() == "completion" {
			return // the library's
		}
		seen++
		require.NotNil(t, cmd.Args, cmd.CommandPath())
		if strings.Contains(cmd.Use, "...") {
			return // it takes any number
		}
		require.ErrorIs(t, cmd.Args(cmd, []string{"a", "b", "c"}), fault.Usage, cmd.CommandPath())
	}
	walk((&app{process: process{lookup: func(string) (string, bool) { return "", false }}}).rootCommand())
	require.Greater(t, seen, 20)
}

// TestWordsOfOtherChildren: what the worker starts itself with is a mistake here, and no process
// that waits for its input.
func TestWordsOfOtherChildren(t *testing.T) {
	for _, words := range [][]string{{"make-key"}, {"encrypt", "age1x"}, {"open-key", "x"}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], words...)
		cmd.Env = append(os.Environ(), programVariable+"=1")
		out, err := cmd.CombinedOutput()
		var ended *exec.ExitError
		require.ErrorAs(t, err, &ended)
		require.Equal(t, fault.ExitUsage, ended.ExitCode(), "%s", out)
		require.Contains(t, string(out), "--help")
	}
}
