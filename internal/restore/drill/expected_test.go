package drill

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/diff/result"
)

// TestExpectedGrows: each row of the table is a difference that a drill no longer finds, so
// that a new one is added here as well, after somebody has looked at it.
func TestExpectedGrows(t *testing.T) {
	kinds := map[string]int{}
	for _, r := range expected() {
		kinds[r.kind]++
		require.NotEqual(t, "*", r.path, "a row is about a property")
		require.Greater(t, len(r.reason), 10)
	}
	require.Equal(t, map[string]int{"acquired-plan": 1, "disk": 1, "offer-delegation": 1, "public-ip-address": 1, "snapshot": 1, "update": 1, "user-subscription": 2, "virtual-machine": 2}, kinds)
}

func TestParseRows(t *testing.T) {
	for _, bad := range []string{"disk changed path", "disk changed | reason", "disk moved path | reason", "disk changed a b | reason", "disk changed path | "} {
		_, err := parseRows(bad)
		require.Error(t, err, bad)
	}
	rows, err := parseRows("# comment\n\ndisk changed a.b | the reason\n")
	require.NoError(t, err)
	require.Equal(t, []row{{"disk", "changed", "a.b", "the reason"}}, rows)
}

func TestFits(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a.c", false}, {"a.b", "a.b.c", false}, {"a.*", "a.b.c", true}, {"a.*", "a", false}, {"a[*].b", "a[x=1].b", true}, {"a[*].b", "a[x=1].c", false}, {"*", "", true}, {"a*c*", "abcd", true},
	} {
		require.Equal(t, test.want, fits(test.pattern, test.path), "%s %s", test.pattern, test.path)
	}
	_, ok := expects("snapshot", result.Detail{Path: "properties.creationData.sourceUniqueId", How: result.Removed})
	require.False(t, ok, "what is expected to be added may not be missing")
}
