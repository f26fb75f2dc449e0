package secretfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

func TestReadLine(t *testing.T) {
	write := func(t *testing.T, content string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
		return path
	}
	for content, want := range map[string]string{"pa ss": "pa ss", "pass\n": "pass", "pass\r\n": "pass", " pass ": " pass ", "пароль": "пароль"} {
		got, err := ReadLine(write(t, content, 0o600))
		require.NoError(t, err)
		require.Equal(t, want, got.Reveal())
	}
	for name, test := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"empty":      {"", 0o600},
		"blank line": {"\n", 0o600},
		"two lines":  {"canary\nmore\n", 0o600},
		"NUL":        {"canary\x00", 0o600},
		"too long":   {"canary" + strings.Repeat("x", maxLineBytes), 0o600},
		"group":      {"canary", 0o640},
		"others":     {"canary", 0o604},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadLine(write(t, test.content, test.mode))
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.NotContains(t, err.Error(), "canary")
		})
	}
	_, err := ReadLine(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fault.ConfigInvalid)
	_, err = ReadLine(os.DevNull)
	require.EqualError(t, err, "CONFIG_INVALID: "+os.DevNull+" is not a file")
}

func TestReadWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(path, []byte("line\nanother\n"), 0o600))
	s, err := ReadWhole(path)
	require.NoError(t, err)
	require.Equal(t, "line\nanother\n", s.Reveal())
	require.NoError(t, os.Chmod(path, 0o640))
	_, err = ReadWhole(path)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chmod(path, 0o600))
	_, err = ReadWhole(path)
	require.ErrorContains(t, err, "holds nothing")
	_, err = ReadWhole(path + "-not-there")
	require.ErrorIs(t, err, fault.ConfigInvalid)
}
