package ad

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
)

// TestSchemaIsReadOnce: definitions are read by the first who needs them, and again when
// the schema changed.
func TestSchemaIsReadOnce(t *testing.T) {
	d := newFakeDC(t)
	var readings atomic.Int32
	d.onSchema = func() { readings.Add(1) }
	c := d.collector(t)
	links := map[string][]string{"objectClass": {"top", "user"}, "manager": {extended(1, fakeDomain)}}
	d.add("CN=led,OU=Staff,"+fakeDomain, links)
	collect := func() *record.Attribute {
		sink := &collecttest.Recorder{}
		_, err := c.Collect(t.Context(), sink)
		require.NoError(t, err)
		for _, r := range newest(t, sink) {
			if r.DN == "CN=led,OU=Staff,"+fakeDomain {
				return r.Attribute("manager")
			}
		}
		return nil
	}
	require.NoError(t, c.Check(t.Context()))
	require.Nil(t, collect().Targets, "not an attribute that holds names")
	require.NoError(t, c.ADCS(t.Context(), func(string, []byte) error { return nil }))
	require.Equal(t, int32(1), readings.Load())

	d.change(fakeDomain, func(*fakeObject) {}) // not in the schema
	collect()
	require.Equal(t, int32(1), readings.Load())

	locked := func(do func()) {
		d.mu.Lock()
		defer d.mu.Unlock()
		do()
	}
	locked(func() {
		d.add("CN=manager,"+fakeSchema, map[string][]string{
			"objectClass": {"top", "attributeSchema"}, "lDAPDisplayName": {"manager"}, "attributeSyntax": {"2.5.5.1"},
		})
	})
	require.Equal(t, []string{fakeGUIDText(1)}, collect().Targets)
	require.Equal(t, int32(2), readings.Load())
	collect()
	require.Equal(t, int32(2), readings.Load())

	// Another database has other numbers.
	locked(func() { d.invocation++ })
	collect()
	require.Equal(t, int32(3), readings.Load())

	// One of those that are always there is changed itself.
	d.change("CN=member,"+fakeSchema, func(*fakeObject) {})
	collect()
	require.Equal(t, int32(4), readings.Load())

	locked(func() { d.remove("CN=member," + fakeSchema) })
	require.ErrorIs(t, c.Check(t.Context()), fault.SourceAccessDenied)
}
