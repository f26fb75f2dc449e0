package main

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

	recipient, keyAge, err := works.MakeKey(t.Context(), []string{public.Text})
	require.NoError(t, err)
	key, err := seal.OpenBackupKey(keyAge, identities)
	require.NoError(t, err)
	require.Equal(t, recipient, key.Public())

	var file bytes.Buffer
	w, err := works.Encrypt(t.Context(), &file, public.Text)
	require.NoError(t, err)
	_, err = io.WriteString(w, "plain text")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	plain, err := seal.Decrypt(&file, identities[0])
	require.NoError(t, err)
	opened, err := io.ReadAll(plain)
	require.NoError(t, err)
	require.Equal(t, "plain text", string(opened))
}
