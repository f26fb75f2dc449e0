package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
)

// outcome is what a run printed and its exit code.
type outcome struct {
	code           int
	stdout, stderr string
}

// call runs the program in-process, with no environment but env.
func call(t *testing.T, stdin string, env map[string]string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), process{
		args: args, stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr,
		lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	return outcome{code, stdout.String(), stderr.String()}
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	password := file("password", "secret-canary")
	recipient := "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	enable := []string{"enable", "--share", `\\fs\s`, "--username", "u", "--password-file", password}
	tests := []struct {
		name string
		args []string
		code fault.Code
	}{
		{"unknown command", []string{"frobnicate"}, fault.Usage},
		{"group without a command", []string{"backup"}, fault.Usage},
		{"unknown flag", []string{"backup", "list", "--nope"}, fault.Usage},
		{"unknown format", []string{"backup", "list", "-o", "xml"}, fault.Usage},
		{"surplus argument", []string{"backup", "start", "now"}, fault.Usage},
		{"bad duration", []string{"backup", "start", "--spool-wait", "soon"}, fault.Usage},
		{"short duration", []string{"backup", "start", "--spool-wait", "1ms"}, fault.Usage},
		{"bad limit", []string{"backup", "list", "--limit", "0"}, fault.Usage},
		{"no codec key", []string{"backup", "list"}, fault.ConfigInvalid},
		{"missing codec key", []string{"settings", "show"}, fault.ConfigInvalid},
		{"bad instance", []string{"settings", "show", "--instance", "No Such"}, fault.Usage},
		{"enable without share", []string{"enable"}, fault.Usage},
		{"enable without key", enable, fault.Usage},
		{"enable with a private key", append(enable, "--recipient", "AGE-SECRET-KEY-1QQQ"), fault.KeyInvalid},
		{"enable with a bad checksum", append(enable, "--recipient", recipient[:len(recipient)-1]+"q"), fault.KeyInvalid},
		{"enable with a missing certificate", append(enable, "--certificate", filepath.Join(dir, "none")), fault.Usage},
		{"enable on Azure Files", []string{"enable", "--share", `\\a.file.core.windows.net\s`, "--username", "u", "--recipient", recipient}, fault.ShareUnsupported},
		{"delete without a word of consent", []string{"backup", "delete", "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"}, fault.Usage},
		{"delete latest", []string{"backup", "delete", "latest", "--yes"}, fault.Usage},
		{"extract without a key", []string{"restore", "extract", "--to", dir}, fault.Usage},
		{"extract with nothing as a key", []string{"restore", "extract", "--to", dir, "--identity", file("empty", "")}, fault.KeyInvalid},
		{"extract an unknown service", []string{"restore", "extract", "--to", dir, "--identity", password, "--service", "DNS"}, fault.Usage},
		{"extract LDIF of the CA", []string{"restore", "extract", "--to", dir, "--identity", password, "--service", "CA", "--format", "ldif"}, fault.Usage},
		{"verify an empty folder", []string{"backup", "verify", "--from", dir}, fault.BackupNotFound},
		{"two places", []string{"backup", "verify", "--from", dir, "--share", `\\fs\s`}, fault.Usage},
		{"key without a file", []string{"key", "generate"}, fault.Usage},
		{"key over a file", []string{"key", "generate", "--out", password}, fault.AlreadyExists},
		{"share without a path", []string{"share", "set"}, fault.Usage},
		{"share on Azure Files", []string{"share", "set", `\\a.file.core.windows.net\s`}, fault.ShareUnsupported},
		{"share with half an account", []string{"share", "set", `\\fs\s`, "--password-file", password}, fault.Usage},
		{"a new ledger without adopting", []string{"share", "set", `\\fs\s`, "--new-ledger"}, fault.Usage},
		{"revoke with what is no fingerprint", []string{"key", "revoke", "--compromised", "x", "--identity", password}, fault.KeyInvalid},
		{"trusted keys without adopting", append(enable, "--recipient", recipient, "--allowed-signers", password), fault.Usage},
		{"keys without a key", []string{"key", "set"}, fault.Usage},
		{"a key that is none", []string{"key", "set", "--recipient", "age1nonsense"}, fault.KeyInvalid},
		{"rewrap without a key", []string{"key", "rewrap"}, fault.Usage},
		{"rewrap with what is no key", []string{"key", "rewrap", "--identity", password}, fault.KeyInvalid},
		{"revoke without a fingerprint", []string{"key", "revoke", "--identity", password}, fault.Usage},
		{"prove in no way", []string{"key", "prove"}, fault.Usage},
		{"prove in two ways", []string{"key", "prove", "--out", dir, "--answer", password}, fault.Usage},
		{"prove with no answer", []string{"key", "prove", "--answer", password}, fault.ProofRefused},
		{"verify all and one", []string{"backup", "verify", "latest", "--all"}, fault.Usage},
		{"verify all with a key", []string{"backup", "verify", "--all", "--identity", password}, fault.Usage},
		{"a ledger's head that is none", []string{"backup", "verify", "--all", "--from", dir, "--ledger-head", "7"}, fault.Usage},
		{"a ledger's head for one", []string{"backup", "verify", "latest", "--ledger-head", "7"}, fault.Usage},
		{"codec server without a token", []string{"codec-server"}, fault.Usage},
		{"codec key over a file", []string{"codec-key", "generate", "--out", password}, fault.AlreadyExists},
		{"first codec key in two places", []string{"codec-key", "generate", "--out", password, "--codec-key-file", password}, fault.Usage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plain := call(t, "", nil, tt.args...)
			require.Equal(t, tt.code.Exit(), plain.code, plain.stderr)
			require.Empty(t, plain.stdout)
			require.True(t, strings.HasPrefix(plain.stderr, string(tt.code)+": "), plain.stderr)
			require.Equal(t, 1, strings.Count(plain.stderr, "\n"), "one line")
			require.NotContains(t, plain.stderr, "secret-canary")
			if tt.name == "unknown format" {
				return
			}
			doc := call(t, "", nil, append(tt.args, "-o", "json")...)
			var parsed errorDocument
			require.NoError(t, json.Unmarshal([]byte(doc.stdout), &parsed), doc.stdout+doc.stderr)
			require.Equal(t, tt.code, parsed.Error.Code)
			require.Equal(t, tt.code.Exit(), doc.code)
		})
	}
}

func TestTemporalThatIsNotThere(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "codec.keys")
	made := call(t, "", nil, "codec-server", "key", "--out", keys) // the former name of codec-key generate
	require.Zero(t, made.code, made.stderr)
	out := call(t, "", map[string]string{"INFRABACKUP_CODEC_KEY_FILE": keys, "TEMPORAL_ADDRESS": "127.0.0.1:1"}, "backup", "list", "--timeout", "3s")
	require.Equal(t, fault.ExitTemporal, out.code, out.stderr)
}

func TestKeyGenerate(t *testing.T) {
	for _, flags := range [][]string{nil, {"--post-quantum"}} {
		file := filepath.Join(t.TempDir(), "operator.key")
		out := call(t, "", nil, append([]string{"key", "generate", "--out", file, "-o", "json"}, flags...)...)
		require.Zero(t, out.code, out.stderr)
		var doc map[string]string
		require.NoError(t, json.Unmarshal([]byte(out.stdout), &doc))
		require.True(t, strings.HasPrefix(doc["recipient"], "age1"))
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		require.NotContains(t, out.stdout+out.stderr, "AGE-SECRET-KEY")
		found, err := localfile.Identities(t.Context(), []string{file})
		require.NoError(t, err)
		require.Len(t, found, 1)
	}
}

// TestEveryCommandHelps walks the whole tree of commands.
func TestEveryCommandHelps(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		require.NotEmpty(t, c.Short, c.CommandPath())
		if c.Runnable() && !c.HasSubCommands() && c.Name() != "version" {
			require.NotEmpty(t, c.Example, c.CommandPath())
		}
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		out := call(t, "", nil, args...)
		require.Zero(t, out.code)
		require.Contains(t, out.stdout, "Usage:")
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{process: process{lookup: func(string) (string, bool) { return "", false }}}).rootCommand())
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		out := call(t, "", nil, "completion", shell)
		require.Zero(t, out.code)
		require.NotEmpty(t, out.stdout)
	}
}
