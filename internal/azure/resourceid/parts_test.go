package resourceid

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestParts: letters whose lower case has more or fewer bytes shift nothing.
func TestParts(t *testing.T) {
	for _, test := range []struct{ id, subscription, group, fullType string }{
		{"/subscriptions/A/resourceGroups/G/providers/N.P/types/x", "a", "/subscriptions/A/resourceGroups/G", "N.P/types"},
		{"/Subscriptions/A/RESOURCEGROUPS/G", "a", "/Subscriptions/A/RESOURCEGROUPS/G", ""},
		{"/subscriptions/A/resourceGroups/", "a", "", ""},
		{"/subscriptions/\u023a", "\u2c65", "", ""},
		{"/subscriptions/\u023a/resourceGroups/\u023e/providers/N.P/types/x", "\u2c65", "/subscriptions/\u023a/resourceGroups/\u023e", "N.P/types"},
		{"/subscriptions/\u0130\u0130/resourcegroups/g/x", "ii", "/subscriptions/\u0130\u0130/resourcegroups/g", ""},
		{"/" + strings.Repeat("\u023a", 8) + "/providers/a/b", "", "", "a/b"},
		{"/\u0130\u0130\u0130\u0130/Providers/a/b/x/c", "", "", "a/b/c"},
		{"/provider\u017f/a/b", "", "", ""},
	} {
		require.Equal(t, test.fullType, Type(test.id), test.id)
		require.Equal(t, test.group, Group(test.id), test.id)
		require.Equal(t, test.subscription, Subscription(test.id), test.id)
	}
}

// FuzzParts: no ID ends the program, and a group is a part of its ID.
func FuzzParts(f *testing.F) {
	for _, id := range []string{"", "/subscriptions/", "/subscriptions/\u023a", "/subscriptions/\u0130/resourceGroups/\u023e", "/\u023a\u023a\u023a\u023a\u023a\u023a\u023a\u023a/providers/a/b", "/subscriptions/\xff/resourceGroups/\xff/providers/\xff/a"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		Subscription(id)
		Type(id)
		require.True(t, strings.HasPrefix(id, Group(id)))
	})
}
