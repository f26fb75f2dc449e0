package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"

	"infrabackup/starter/serving"
)

// TestCodecKeyRotation is a rotation as its help tells it.
func TestCodecKeyRotation(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "codec.keys")
	env := map[string]string{"INFRABACKUP_CODEC_KEY_FILE": keys}
	var printed strings.Builder
	ask := func(args ...string) string {
		t.Helper()
		out := call(t, "", env, args...)
		require.Zero(t, out.code, out.stderr)
		printed.WriteString(out.stdout + out.stderr)
		return out.stdout
	}
	listed := func() []serving.Key {
		t.Helper()
		var rows []serving.Key
		require.NoError(t, json.Unmarshal([]byte(ask("codec-key", "list", "-o", "json")), &rows))
		return rows
	}
	ask("codec-key", "generate", "--out", keys)
	require.Equal(t, []serving.Key{{KeyID: "k1", Active: true}}, listed())

	var added serving.ChangedKey
	require.NoError(t, json.Unmarshal([]byte(ask("codec-key", "add", "-o", "json")), &added))
	require.Regexp(t, `^k20[0-9]{6}$`, added.KeyID)
	require.Equal(t, keys, added.KeyFile)
	require.Equal(t, []serving.Key{{KeyID: "k1", Active: true}, {KeyID: added.KeyID, Active: false}}, listed())

	require.Equal(t, added.KeyID+"\n", ask("codec-key", "activate", added.KeyID))
	require.Equal(t, []serving.Key{{KeyID: added.KeyID, Active: true}, {KeyID: "k1", Active: false}}, listed())
	require.Regexp(t, `k20[0-9]{6} +encrypts and decrypts\nk1 +decrypts\n`, ask("codec-key", "list"))

	ask("codec-key", "remove", "k1", "--yes", "--codec-key-file", keys)
	require.Equal(t, []serving.Key{{KeyID: added.KeyID, Active: true}}, listed())

	data, err := os.ReadFile(keys)
	require.NoError(t, err)
	require.NotContains(t, printed.String(), strings.Fields(string(data))[1], "no key is printed")
}

func TestCodecKeyRefusals(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "codec.keys")
	require.Zero(t, call(t, "", nil, "codec-key", "generate", "--out", keys).code)
	require.NoError(t, codec.AddKey(keys, "k2", strings.NewReader(strings.Repeat("x", 32))))
	before, err := os.ReadFile(keys)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		args []string
		code fault.Code
	}{
		"no command":         {nil, fault.Usage},
		"add twice":          {[]string{"add", "--id", "k2"}, fault.AlreadyExists},
		"add a malformed id": {[]string{"add", "--id", "K 2"}, fault.Usage},
		"activate nothing":   {[]string{"activate"}, fault.Usage},
		"activate another":   {[]string{"activate", "k3"}, fault.Usage},
		"remove the active":  {[]string{"remove", "k1", "--yes"}, fault.Usage},
		"remove another":     {[]string{"remove", "k3", "--yes"}, fault.Usage},
		"remove unasked":     {[]string{"remove", "k2"}, fault.Usage},
	} {
		t.Run(name, func(t *testing.T) {
			out := call(t, "", map[string]string{"INFRABACKUP_CODEC_KEY_FILE": keys}, append([]string{"codec-key"}, test.args...)...)
			require.Equal(t, test.code.Exit(), out.code, out.stderr)
			require.True(t, strings.HasPrefix(out.stderr, string(test.code)+": "), out.stderr)
			after, err := os.ReadFile(keys)
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
	for _, command := range []string{"list", "add", "activate k2", "remove k2 --yes"} {
		out := call(t, "", nil, append([]string{"codec-key"}, strings.Fields(command)...)...)
		require.True(t, strings.HasPrefix(out.stderr, string(fault.ConfigInvalid)+": "), out.stderr)
	}
}
