package main

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/blocksum"
	"infrabackup/internal/config"
	"infrabackup/internal/seal"
)

// What the activities work with starts this very program, which knows what it is started
// for.
func TestWorkerIsItsOwnChildren(t *testing.T) {
	works := dependencies(&config.Worker{}, nil, "", &twins{}, nil, nil, nil, self(t), nil)
	operator, public, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	identities, err := seal.ParseIdentities([]byte(operator.Reveal()))
	require.NoError(t, err)

	recipient, keyAge, err := works.Keys.MakeKey(t.Context(), []string{public.Text})
	require.NoError(t, err)
	key, err := seal.OpenBackupKey(keyAge, identities)
	require.NoError(t, err)
	require.Equal(t, recipient, key.Public())

	file, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	w, err := works.Encrypter.Encrypt(t.Context(), file, public.Text, blocksum.NewTable())
	require.NoError(t, err)
	_, err = io.WriteString(w, "plain text")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	sealed, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	plain, err := seal.Decrypt(bytes.NewReader(sealed), identities[0])
	require.NoError(t, err)
	opened, err := io.ReadAll(plain)
	require.NoError(t, err)
	require.Equal(t, "plain text", string(opened))
}
