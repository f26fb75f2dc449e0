package ad

import (
	"net"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/collecttest"
)

// TestLifetimesAreRecorded: for how long a backup is good depends on what the forest sets, and what
// it says there may be anything.
func TestLifetimesAreRecorded(t *testing.T) {
	const place = "CN=Directory Service,CN=Windows NT,CN=Services," + fakeConfig
	for name, tc := range map[string]struct {
		attributes map[string][]string
		recorded   map[string]string
	}{
		"both":           {map[string][]string{"tombstoneLifetime": {"180"}, "msDS-DeletedObjectLifetime": {"90"}}, map[string]string{backup.TombstoneLifetime: "180", backup.DeletedObjectLifetime: "90"}},
		"other spelling": {map[string][]string{"TOMBSTONELIFETIME": {"180"}}, map[string]string{backup.TombstoneLifetime: "180"}},
		"not set":        {map[string][]string{}, map[string]string{}},
		"below zero":     {map[string][]string{"tombstoneLifetime": {"-1"}}, map[string]string{backup.TombstoneLifetime: "-1"}},
		"no number":      {map[string][]string{"tombstoneLifetime": {"180 days"}}, map[string]string{}},
		"too large":      {map[string][]string{"tombstoneLifetime": {"99999999999999999999"}}, map[string]string{}},
		"empty":          {map[string][]string{"tombstoneLifetime": {""}}, map[string]string{}},
		"no such object": {nil, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFakeDC(t)
			if tc.attributes != nil {
				tc.attributes["objectClass"] = []string{"top", "nTDSService"}
				d.add(place, tc.attributes)
			}
			capture, err := d.collector(t).Collect(t.Context(), &collecttest.Recorder{})
			require.NoError(t, err)
			require.NotEmpty(t, capture.Cursor["usnCovered"])
			for _, key := range []string{backup.TombstoneLifetime, backup.DeletedObjectLifetime} {
				got, is := capture.Cursor[key]
				want, wanted := tc.recorded[key]
				require.Equal(t, wanted, is, key)
				require.Equal(t, want, got, key)
			}
		})
	}
}

// TestLifetimesThatMayNotBeRead: nothing is missing in the backup for that.
func TestLifetimesThatMayNotBeRead(t *testing.T) {
	d := newFakeDC(t)
	refused := 0
	d.onObject = func(base string, conn net.Conn, id int64) (answered bool, err error) {
		if base != "CN=Directory Service,CN=Windows NT,CN=Services,"+fakeConfig {
			return false, nil
		}
		refused++
		return true, send(conn, id, result(ldap.ApplicationSearchResultDone, ldap.LDAPResultInsufficientAccessRights))
	}
	capture, err := d.collector(t).Collect(t.Context(), &collecttest.Recorder{})
	require.NoError(t, err)
	require.Equal(t, 1, refused)
	require.NotContains(t, capture.Cursor, backup.TombstoneLifetime)
}
