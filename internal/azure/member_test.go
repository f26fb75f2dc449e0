package azure_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/fault"
)

// TestSubscriptionID: a subscription says who it is in several ways.
func TestSubscriptionID(t *testing.T) {
	for element, want := range map[string]string{
		`{"subscriptionId":"A","id":"/subscriptions/b"}`:                                        "a",
		`{"SubscriptionID":"A"}`:                                                                "a",
		`{"subscriptionId":null,"id":"/subscriptions/B/"}`:                                      "b",
		`{"id":"/subscriptions/op/providers/Microsoft.Subscriptions.Admin/subscriptions/USER"}`: "user",
		`{"Id":"/subscriptions/B"}`:                                                             "b",
	} {
		got, err := azure.SubscriptionID([]byte(element), "list")
		require.NoError(t, err, element)
		require.Equal(t, want, got, element)
	}
	for element, code := range map[string]fault.Code{
		`{}`: fault.SourceInvalid, `{"id":"/"}`: fault.SourceInvalid, `"x"`: fault.SourceInvalid, `null`: fault.SourceInvalid,
		`{"id":"/` + strings.Repeat("x", 200) + `"}`: fault.LimitExceeded,
	} {
		_, err := azure.SubscriptionID([]byte(element), "list")
		require.ErrorIs(t, err, code, element)
	}

	h, config := newHost(t)
	h.with(body("/subscriptions", http.StatusOK, `{"value":[{"id":"/subscriptions/A"},{"SubscriptionId":"B"}]}`))
	all, err := openHost(t, config).Tenant().Subscriptions(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "a", all[0].ID)
	require.Equal(t, "b", all[1].ID)
}
