package archive

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKinds(t *testing.T) {
	for _, kind := range []string{"a", "7", "role-assignment", "a--b", strings.Repeat("x", 63)} {
		require.True(t, isKind(kind), kind)
	}
	for _, kind := range []string{"", "-", "-a", "a-", "A", "a_b", "a/b", "a.b", "ä", "a\n", "a b", strings.Repeat("x", 64)} {
		require.False(t, isKind(kind), "%q", kind)
	}
}

func TestDigests(t *testing.T) {
	require.True(t, isDigest(strings.Repeat("0123456789abcdef", 4)))
	for _, digest := range []string{"", strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("A", 64), strings.Repeat("0", 63) + "g", strings.Repeat("0", 63) + "\n"} {
		require.False(t, isDigest(digest), "%q", digest)
	}
}
