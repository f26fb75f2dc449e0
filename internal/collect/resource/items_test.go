package resource

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
)

// TestItemsHaveTheirKeysBack: what a later look misses is asked for by its ID.
func TestItemsHaveTheirKeysBack(t *testing.T) {
	var have items
	want := []key{{azure.Tenant, "disk", "/a b/ c"}, {"", "vault", "/v"}, {azure.Admin, "disk", "/a b/ c"}, {azure.Vault, "disk", ""}}
	for i := range 2000 {
		want = append(want, key{azure.Tenant, "disk", fmt.Sprintf("/subscriptions/s/resourcegroups/g%d/disks/d%d", i/20, i)})
	}
	for i, at := range want {
		m := mark{sum: uint64(i), round: uint8(i % 3)}
		m.gave(endpoints[i%len(endpoints)])
		have.put(at, m)
	}
	last := want[len(want)-1]
	require.False(t, have.any(func(m mark) bool { return m.round == vanished }))
	i := 0
	for at, m := range have.all() {
		if i == 0 {
			have.put(last, mark{round: vanished, from: uint8((len(want) - 1) % len(endpoints))})
		}
		require.Equal(t, want[i], at)
		require.Equal(t, endpoints[i%len(endpoints)], m.endpoint())
		if i++; at != last {
			require.EqualValues(t, i-1, m.sum)
			continue
		}
		require.Equal(t, vanished, m.round, "as it was put meanwhile")
		break
	}
	require.Len(t, want, i)
	_, known := have.get(key{azure.Admin, "vault", "/v"})
	require.False(t, known)
}

func TestGroupsKeepTheirLetters(t *testing.T) {
	var have groups
	for _, group := range []string{"/subscriptions/s/resourceGroups/One", "/subscriptions/s/resourcegroups/one", "/subscriptions/s/resourceGroups/Two"} {
		for _, endpoint := range []azure.Endpoint{azure.Tenant, azure.Admin} {
			have.add(address(endpoint, group), endpoint, group)
		}
	}
	var got []string
	for endpoint, group := range have.all() {
		got = append(got, string(endpoint)+" "+group)
	}
	require.Equal(t, []string{
		"tenant /subscriptions/s/resourceGroups/One", "admin /subscriptions/s/resourceGroups/One",
		"tenant /subscriptions/s/resourceGroups/Two", "admin /subscriptions/s/resourceGroups/Two",
	}, got)
}
