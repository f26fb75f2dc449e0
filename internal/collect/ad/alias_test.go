package ad

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/collecttest"
)

// TestPrincipalsHaveTheirSIDAsAlias: live objects with a SID have it, deleted ones and
// those without do not.
func TestPrincipalsHaveTheirSIDAsAlias(t *testing.T) {
	const live = "s-1-5-21-1-2-3-1104"
	// A domain's SID is revision 1 with five sub-authorities below authority 5.
	sid := func(rid string) string {
		return "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00" + rid + "\x00\x00"
	}
	d := newFakeDC(t)
	d.add("CN=anna,OU=Staff,"+fakeDomain, map[string][]string{
		"objectClass": {"top", "user"}, "objectSid": {sid("\x50\x04")},
	})
	d.add(`CN=emil\0ADEL:2,CN=Deleted Objects,`+fakeDomain, map[string][]string{
		"objectClass": {"top", "user"}, "isDeleted": {"TRUE"}, "objectSid": {sid("\x51\x04")},
	}).deleted = true
	d.add("CN=odd,OU=Staff,"+fakeDomain, map[string][]string{"objectClass": {"top", "user"}, "objectSid": {"\x01\x05"}})
	sink := &collecttest.Recorder{}
	_, err := d.collector(t).Collect(t.Context(), sink)
	require.NoError(t, err)
	found := map[string][]string{}
	for _, call := range sink.Calls() {
		if len(call.Item.Aliases) > 0 {
			found[call.Item.Name] = call.Item.Aliases
		}
		require.Empty(t, call.Item.References)
	}
	require.Equal(t, map[string][]string{"CN=anna,OU=Staff," + fakeDomain: {"sid:" + live}}, found)
}
