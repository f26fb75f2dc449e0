package smb_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// TestTreeWrites: files and folders with names as policies have them are made, overwritten and
// removed.
func TestTreeWrites(t *testing.T) {
	server := startSamba(t, "")
	tree := openTree(t, server)
	const folder = "local.azurestack.test/Policies/{31B2F340-016D-11D2-945F-00C04FB984F9}/User & more"
	_, _, there, err := tree.Look(t.Context(), folder, 10)
	require.NoError(t, err)
	require.False(t, there)
	require.Error(t, tree.MakeFolder(t.Context(), folder), "the domain's folder, which Windows has as a junction, is neither looked at nor made")
	require.NoDirExists(t, filepath.Join(server.Folder, "local.azurestack.test"))
	require.NoError(t, os.Mkdir(filepath.Join(server.Folder, "local.azurestack.test"), 0o755))
	require.NoError(t, tree.MakeFolder(t.Context(), folder))
	require.NoError(t, tree.MakeFolder(t.Context(), folder), "it is there")
	_, isFolder, there, err := tree.Look(t.Context(), folder, 10)
	require.NoError(t, err)
	require.True(t, there && isFolder)
	for _, data := range [][]byte{bytes.Repeat([]byte("0123456789abcdef"), 200_000), []byte("größer"), {}} {
		require.NoError(t, tree.WriteFile(t.Context(), folder+"/gpt ü.ini", data))
		onDisk, err := os.ReadFile(filepath.Join(server.Folder, folder, "gpt ü.ini"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, onDisk), "%d bytes", len(data))
		content, isFolder, there, err := tree.Look(t.Context(), folder+"/gpt ü.ini", 4<<20)
		require.NoError(t, err)
		require.True(t, there && !isFolder && bytes.Equal(data, content))
	}
	require.NoError(t, tree.WriteFile(t.Context(), folder+"/x", []byte("12345")))
	_, _, there, err = tree.Look(t.Context(), folder+"/x", 4)
	require.ErrorIs(t, err, fault.LimitExceeded)
	require.True(t, there)
	require.Error(t, tree.Remove(t.Context(), folder), "it is not empty")
	require.NoError(t, tree.Remove(t.Context(), folder+"/x"))
	require.NoError(t, tree.Remove(t.Context(), folder+"/gpt ü.ini"))
	require.NoError(t, tree.Remove(t.Context(), folder))
	require.NoDirExists(t, filepath.Join(server.Folder, folder))
	for _, bad := range []string{folder + "/x:y", folder + "::$INDEX_ALLOCATION/x"} {
		require.ErrorIs(t, tree.MakeFolder(t.Context(), bad), fault.ShareInvalid, bad)
		require.ErrorIs(t, tree.WriteFile(t.Context(), bad, nil), fault.ShareInvalid, bad)
		require.ErrorIs(t, tree.Remove(t.Context(), bad), fault.ShareInvalid, bad)
	}
	for _, bad := range []string{"", ".", "../x", `a\b`, "/a"} {
		_, _, _, err := tree.Look(t.Context(), bad, 10)
		require.ErrorIs(t, err, fault.ShareInvalid, bad)
		require.ErrorIs(t, tree.MakeFolder(t.Context(), bad), fault.ShareInvalid, bad)
		require.ErrorIs(t, tree.WriteFile(t.Context(), bad, nil), fault.ShareInvalid, bad)
		require.ErrorIs(t, tree.Remove(t.Context(), bad), fault.ShareInvalid, bad)
	}
}
