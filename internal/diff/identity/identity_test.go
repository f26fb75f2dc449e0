package identity

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMap(t *testing.T) {
	m := New(map[string]string{"S-1-5-21-1-2-3-1104": "S-1-5-21-7-8-9-2001"}, map[string]string{"31B2F340-016d-11d2-945f-00c04fb984f9": "41b2f340-016d-11d2-945f-00c04fb984f9"})
	require.False(t, m.Empty())
	require.Equal(t, "s-1-5-21-7-8-9-2001", m.SID("s-1-5-21-1-2-3-1104"))
	require.Equal(t, "s-1-5-11", m.SID("S-1-5-11"))
	require.Equal(t, "41b2f340-016d-11d2-945f-00c04fb984f9", m.GUID("31b2f340-016d-11d2-945f-00c04fb984f9"))
	require.Equal(t, "s-1-5-21-7-8-9-2001", m.Text("S-1-5-21-1-2-3-1104"))
	require.Equal(t, "41b2f340-016d-11d2-945f-00c04fb984f9", m.Text("31b2f340-016d-11d2-945f-00c04fb984f9"))
	require.Equal(t, "Plain Text", m.Text("Plain Text"))

	var none Map
	require.True(t, none.Empty())
	require.Equal(t, "s-1-5-11", none.SID("S-1-5-11"))
	require.Equal(t, "S-1-5-11", none.Text("S-1-5-11"))
}
