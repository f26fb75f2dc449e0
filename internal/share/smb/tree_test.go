package smb_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/share/smb"
)

func openTree(t *testing.T, server *samba) *smb.Tree {
	tree, err := smb.OpenTree(t.Context(), server.config())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tree.Close()) })
	return tree
}

// What lies on a share like SYSVOL is found and read, whatever its names are.
func TestTree(t *testing.T) {
	server := startSamba(t, "")
	const policy = "local.azurestack.test/Policies/{31B2F340-016D-11D2-945F-00C04FB984F9}"
	large := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // several requests long
	files := map[string][]byte{
		policy + "/GPT.INI":                     []byte("[General]\r\nVersion=1\r\n"),
		policy + "/MACHINE/Registry pol ü.pol":  large,
		"local.azurestack.test/scripts/log on":  {},
		"local.azurestack.test/scripts/empty/x": []byte("x"),
	}
	for name, data := range files {
		path := filepath.Join(server.Folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(server.Folder, "outside"), nil, 0o644))
	tree := openTree(t, server)

	var walked []string
	require.NoError(t, tree.Walk(t.Context(), "local.azurestack.test", func(path string, info fs.FileInfo) error {
		walked = append(walked, path)
		if !info.Mode().IsRegular() {
			require.NotContains(t, files, path)
			return nil
		}
		f, err := tree.Open(t.Context(), path)
		require.NoError(t, err)
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		require.Equal(t, string(files[path]), string(data))
		stat, err := f.Stat()
		require.NoError(t, err)
		require.EqualValues(t, len(data), stat.Size())
		require.WithinDuration(t, time.Now(), stat.ModTime(), time.Hour)
		require.NoError(t, f.Close())
		return nil
	}))
	require.Equal(t, []string{
		"local.azurestack.test/Policies",
		policy,
		policy + "/GPT.INI",
		policy + "/MACHINE",
		policy + "/MACHINE/Registry pol ü.pol",
		"local.azurestack.test/scripts",
		"local.azurestack.test/scripts/empty",
		"local.azurestack.test/scripts/empty/x",
		"local.azurestack.test/scripts/log on",
	}, walked)

	t.Run("the caller's error ends the walk", func(t *testing.T) {
		enough := errors.New("enough")
		require.Equal(t, enough, tree.Walk(t.Context(), "local.azurestack.test", func(string, fs.FileInfo) error { return enough }))
	})
	t.Run("missing", func(t *testing.T) {
		require.ErrorIs(t, tree.Walk(t.Context(), "nowhere", nil), fs.ErrNotExist)
		_, err := tree.Open(t.Context(), "nowhere")
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
	t.Run("paths that lead elsewhere", func(t *testing.T) {
		for _, path := range []string{"", ".", "..", "a/../b", `a\..\b`, "/a", "a/", "a\x00"} {
			_, err := tree.Open(t.Context(), path)
			require.ErrorIs(t, err, fault.ShareInvalid, path)
			require.ErrorIs(t, tree.Walk(t.Context(), path, nil), fault.ShareInvalid, path)
		}
	})
}

// A file does not outlive its connection: what was read would not be one version.
func TestTreeLostConnection(t *testing.T) {
	server := startSamba(t, "")
	require.NoError(t, os.WriteFile(filepath.Join(server.Folder, "file"), []byte("x"), 0o644))
	tree := openTree(t, server)
	f, err := tree.Open(t.Context(), "file")
	require.NoError(t, err)
	server.Kill()
	_, err = io.ReadAll(f)
	require.ErrorIs(t, err, fault.ShareUnreachable)
	require.NoError(t, f.Close())

	server.Start()
	f, err = tree.Open(t.Context(), "file")
	require.NoError(t, err, "the tree connects again")
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
	require.NoError(t, f.Close())
}
