package resource_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/resource"
)

// TestAddresses: letters whose lower case has more or fewer bytes shift nothing.
func TestAddresses(t *testing.T) {
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
		require.Equal(t, test.fullType, resource.TypeIn(test.id), test.id)
		require.Equal(t, test.group, resource.GroupIn(test.id), test.id)
		require.Equal(t, test.subscription, resource.SubscriptionIn(test.id), test.id)
	}
}

// FuzzAddresses: no ID ends the program, and a group is a part of its ID.
func FuzzAddresses(f *testing.F) {
	for _, id := range []string{"", "/subscriptions/", "/subscriptions/\u023a", "/subscriptions/\u0130/resourceGroups/\u023e", "/\u023a\u023a\u023a\u023a\u023a\u023a\u023a\u023a/providers/a/b", "/subscriptions/\xff/resourceGroups/\xff/providers/\xff/a"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		resource.SubscriptionIn(id)
		resource.TypeIn(id)
		require.True(t, strings.HasPrefix(id, resource.GroupIn(id)))
	})
}
