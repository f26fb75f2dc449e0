package identifier

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParts(t *testing.T) {
	raw := []byte("\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x00\x02\x00\x00")
	domain, rid := Split("s-1-5-21-1-2-3-512")
	require.Equal(t, []string{"s-1-5-21-1-2-3", "512"}, []string{domain, rid})
	domain, rid = Split("none")
	require.Equal(t, []string{"none", ""}, []string{domain, rid})
	require.Equal(t, "512", RID(raw))
	require.True(t, WellKnown(raw))
	require.Equal(t, "s-1-5-21-1-2-3-4294967295", WithRID(raw, "4294967295"))
	require.Equal(t, "s-1-5-21-1-2-3-513", Sibling("s-1-5-21-1-2-3-512", [][]byte{[]byte("513")}))
	require.Equal(t, "<SID=S-1-5-18>", DN("s-1-5-18"))
	for _, short := range [][]byte{nil, raw[:8], raw[:11]} {
		require.Empty(t, RID(short))
		require.False(t, WellKnown(short))
		require.Empty(t, WithRID(short, "1"))
	}
	for _, bad := range []string{"", "x", "-1", "4294967296"} {
		require.Empty(t, WithRID(raw, bad))
		require.False(t, Below1000(bad), bad)
	}
	require.True(t, Below1000("999"))
	require.False(t, Below1000("1000"))
	require.Empty(t, Sibling("s-1-5-21-1-2-3-512", nil))
}
