package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPageIsAnnounced: where it answers, and how to come in, in words that can be typed.
func TestPageIsAnnounced(t *testing.T) {
	text := page(map[string]string{"LAB_SERVE_URL": "https://127.0.0.1:4711", "LAB_SERVE_TOKEN_FILE": ".lab/serve/owner.token"})
	require.Equal(t, "The operators' page: https://127.0.0.1:4711, with the token in .lab/serve/owner.token.", text)
}
