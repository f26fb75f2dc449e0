package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
)

// unconnected runs the program; a command that connects is a failure of its own.
func unconnected(stdin string, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), process{
		args: args, stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr,
		lookup: func(string) (string, bool) { return "", false },
		connect: func(context.Context) (controller, func(), error) {
			return nil, nil, errors.New("the command connected")
		},
	})
	return outcome{code, stdout.String(), stderr.String()}
}

// TestNoFlagIsEmpty gives every text flag of every command an empty value.
func TestNoFlagIsEmpty(t *testing.T) {
	tried := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		path := strings.Fields(c.CommandPath())[1:]
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if kind := f.Value.Type(); kind != "string" && kind != "stringArray" || len(path) == 0 {
				return
			}
			tried++
			args := append([]string{}, path...)
			if use := strings.Fields(c.Use); len(use) > 1 && (use[1] == "UNC" || use[1] == "ID" || use[1] == "NAME" || use[1] == "PLAN" || use[1] == "RESTORE" || use[1] == "PLAN|RESTORE" || use[1] == "DIR" || use[1] == "CERTIFICATE") {
				args = append(args, "x")
			} else if len(use) > 1 && use[1] == "A" {
				args = append(args, "x", "y")
			}
			out := unconnected("", append(args, "--"+f.Name, "")...)
			require.Equal(t, fault.ExitUsage, out.code, "%s --%s: %s", c.CommandPath(), f.Name, out.stderr)
			require.Contains(t, out.stderr, "USAGE: --"+f.Name+" is given without a value")
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{process: process{lookup: func(string) (string, bool) { return "", false }}}).rootCommand())
	require.Greater(t, tried, 40)
}

func TestRefusedFlags(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "local", backup.BackupsDir), 0o700))
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	password, long := file("password", "secret-canary"), strings.Repeat("x\x1b", 50_000)
	enable := []string{"enable", "--share", `\\fs\s`, "--username", "u", "--password-file", password}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"instance of the environment's": {[]string{"backup", "list", "--instance", ""}, "--instance is given without a value"},
		"two values, one empty":         {[]string{"key", "rewrap", "--identity", password, "--identity", ""}, "--identity is given without a value"},
		"nobody to trust":               {[]string{"backup", "verify", "--all", "--from", dir, "--allowed-signers", file("none", "")}, "has no key of infrabackup"},
		"strangers to trust":            {[]string{"backup", "verify", "--from", dir, "--allowed-signers", file("others", "# nobody\nbob ssh-ed25519 AAAA\n")}, "has no key of infrabackup"},
		"malformed key to trust":        {[]string{"backup", "verify", "--from", dir, "--allowed-signers", file("cut", "# ours\ninfrabackup "+signer[:40]+"\n")}, "--allowed-signers: " + filepath.Join(dir, "cut") + " cannot be used (line 2: "},
		"malformed line to trust":       {[]string{"backup", "verify", "--all", "--from", dir, "--allowed-signers", file("options", "infrabackup cert-authority "+signer+"\n")}, filepath.Join(dir, "options") + " cannot be used (line 1 is not of the form"},
		"malformed key to restore by":   {[]string{"restore", "extract", "--list", "--identity", file("key", base64Key), "--from", dir, "--allowed-signers", file("cut", "# ours\ninfrabackup "+signer[:40]+"\n")}, filepath.Join(dir, "cut") + " cannot be used (line 2: "},
		"malformed key to adopt by":     {append(enable, "--adopt", "--allowed-signers", file("cut", "# ours\ninfrabackup "+signer[:40]+"\n")), filepath.Join(dir, "cut") + " cannot be used (line 2: "},
		"adopting with nobody to trust": {append(enable, "--adopt", "--allowed-signers", file("none", "")), "has no key of infrabackup"},
		"transport without a share":     {[]string{"backup", "verify", "--transport", "signed"}, "belong to --share"},
		"transport from a folder":       {[]string{"restore", "extract", "--list", "--identity", file("key", base64Key), "--from", dir, "--transport", "signed"}, "belong to --share"},
		"account without a share":       {[]string{"backup", "verify", "--all", "--username", "u"}, "belong to --share"},
		"unknown transport":             {[]string{"backup", "verify", "--share", `\\fs\s`, "--username", "u", "--transport", "none"}, `--transport "none" is neither encrypted nor signed`},
		"time below zero":               {[]string{"backup", "list", "--timeout", "-1s"}, "--timeout -1s is below zero"},
		"proofs every 0 days":           {[]string{"key", "set", "--prove-every", "0"}, "--prove-every 0 is less than a day"},
		"proofs every -5 days":          {[]string{"key", "set", "--prove-every", "-5"}, "--prove-every -5 is less than a day"},
		"enabled with proofs never":     {append(enable, "--prove-every", "0"), "--prove-every 0 is less than a day"},
		"number that is none":           {[]string{"backup", "list", "--limit", "abc"}, `--limit "abc" is not a whole number`},
		"time that is none":             {[]string{"backup", "list", "--timeout", "soon"}, `--timeout "soon" is not a time such as 90s or 1h30m`},
		"choice that is none":           {[]string{"backup", "list", "--help=perhaps"}, `--help "perhaps" is not true or false`},
		"no argument":                   {[]string{"codec-key", "activate"}, "infrabackup codec-key activate needs an argument: ID"},
		"two arguments":                 {[]string{"backup", "show", "a", "b"}, "takes one argument, ID, and 2 are given"},
		"empty argument":                {[]string{"backup", "show", ""}, "the argument ID is empty"},
		"long user name":                {[]string{"credentials", "set", "--username", strings.Repeat("x", 257), "--password-file", password}, "--username is longer than 256 bytes"},
		"long flag":                     {[]string{"backup", "verify", "--from", long}, "--from is longer than 8192 bytes"},
		"long instance":                 {[]string{"backup", "verify", "--from", dir, "--instance", long[:200]}, `--instance "x\x1bx\x1b`},
		"long ledger head":              {[]string{"backup", "verify", "--all", "--from", dir, "--ledger-head", long[:8000]}, `--ledger-head "x\x1bx\x1b`},
		"long ID":                       {[]string{"backup", "verify", long, "--from", dir}, "is not the ID of a backup"},
		"long ID to delete":             {[]string{"backup", "delete", long, "--yes"}, "is not the ID of a backup"},
		"long command":                  {[]string{long}, "unknown command"},
		"folder as a key":               {[]string{"key", "rewrap", "--identity", dir}, "is a folder"},
		"missing answer":                {[]string{"key", "prove", "--answer", filepath.Join(dir, "gone")}, "USAGE: --answer cannot be read (open "},
	} {
		t.Run(name, func(t *testing.T) {
			out := unconnected("", test.args...)
			require.Equal(t, fault.ExitUsage, out.code, out.stderr)
			require.True(t, strings.HasPrefix(out.stderr, "USAGE: "), out.stderr)
			require.Contains(t, out.stderr, test.want)
			require.Less(t, len(out.stderr), 600)
			require.NotContains(t, out.stderr, "\x1b")
			require.NotContains(t, out.stderr, "secret-canary")
			require.Equal(t, 1, strings.Count(out.stderr, "USAGE"))
		})
	}
}

const base64Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func TestSecretFilesThatAreNone(t *testing.T) {
	for _, path := range []string{"/", "/dev/zero"} {
		out := unconnected("", "credentials", "set", "--password-file", path)
		require.Equal(t, "CONFIG_INVALID: "+path+" is not a file. Correct the configuration and start again.\n", out.stderr)
		out = call(t, "", nil, "codec-key", "list", "--codec-key-file", path)
		require.Contains(t, out.stderr, "codec key file "+path+" is not a file")
	}
}

func TestLongPassword(t *testing.T) {
	for _, n := range []int{513, localfile.MaxBytes + 100} {
		out := unconnected(strings.Repeat("p", n), "credentials", "set", "--password-file", "-")
		require.Equal(t, "USAGE: the password is longer than 512 bytes. See --help.\n", out.stderr)
	}
	d := &desk{}
	out := d.call(strings.Repeat("p", 512)+"\n", "credentials", "set", "--password-file", "-")
	require.Zero(t, out.code, out.stderr)
	require.Len(t, d.password.Reveal(), 512)
	require.Equal(t, "current", d.username)
}

// desk is a controller with settings.
type desk struct {
	controller
	username string
	password secret.String
}

func (*desk) Standing(context.Context) error { return nil }

const signer = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGluZnJhYmFja3VwIGluZnJhYmFja3VwIGluZnJhYmFj"

func (d *desk) Summary(context.Context) (settings.Summary, error) {
	return settings.Summary{Username: "current", SigningKey: signer, FormerSigners: []string{"unreadable\x1b"}}, nil
}

func (d *desk) ChangeCredentials(ctx context.Context, username string, password secret.String, _ string) (settings.Summary, error) {
	d.username, d.password = username, password
	return d.Summary(ctx)
}

func (d *desk) call(stdin string, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), process{
		args: args, stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr,
		lookup:  func(string) (string, bool) { return "", false },
		connect: func(context.Context) (controller, func(), error) { return d, func() {}, nil },
	})
	return outcome{code, stdout.String(), stderr.String()}
}

// TestSigningKeyHasItsFingerprint: it is what a verdict and ssh-keygen call the key.
func TestSigningKeyHasItsFingerprint(t *testing.T) {
	out := (&desk{}).call("", "settings", "show")
	require.Zero(t, out.code, out.stderr)
	require.Regexp(t, `(?m)^Signing key: +`+signer+` SHA256:[A-Za-z0-9+/]{43}$`, out.stdout)
	require.Contains(t, out.stdout, `unreadable\x1b`)

	var document map[string]any
	require.NoError(t, json.Unmarshal([]byte((&desk{}).call("", "settings", "show", "-o", "json").stdout), &document))
	require.Equal(t, signer, document["signingKey"])
	require.Contains(t, out.stdout, document["signingKeyFingerprint"])
}

// TestWhomVerifyTrusts: keys that lie beside what they vouch for are worth a note.
func TestWhomVerifyTrusts(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "local", backup.BackupsDir), 0o700))
	trusted := filepath.Join(dir, "trusted")
	require.NoError(t, os.WriteFile(trusted, []byte("infrabackup "+signer+"\n"), 0o600))
	for _, command := range []string{"backup verify --all --from", "backup verify 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11 --from"} {
		args := append(strings.Fields(command), dir)
		require.Contains(t, unconnected("", args...).stderr, untrustedSigners)
		require.NotContains(t, unconnected("", append(args, "--allowed-signers", trusted)...).stderr, untrustedSigners)
	}
}
