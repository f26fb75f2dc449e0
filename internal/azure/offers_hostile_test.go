package azure_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/tests/tier"
)

// TestMuchOffered: what is remembered of subscriptions and providers is bounded, and the
// work does not grow with its square.
func TestMuchOffered(t *testing.T) {
	tier.Weighs(t)
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	h, config := newHost(t)
	for name, test := range map[string]struct {
		path, answer string
		code         fault.Code // "" when it is taken
	}{
		"versions of a type":       {"/providers", `{"value":[{"namespace":"A","resourceTypes":[{"resourceType":"b","apiVersions":[` + many(150_000, `"v%d"`) + `]}]}]}`, fault.LimitExceeded},
		"places of a type":         {"/providers", `{"value":[{"namespace":"A","resourceTypes":[{"resourceType":"b","locations":[` + many(1001, `"p%d"`) + `]}]}]}`, fault.LimitExceeded},
		"as many as may be":        {"/providers", `{"value":[{"namespace":"A","resourceTypes":[{"resourceType":"b","locations":[` + many(1000, `"p%d"`) + `]}]}]}`, ""},
		"types of a provider":      {"/providers", `{"value":[{"namespace":"A","resourceTypes":[` + many(40_000, `{"resourceType":"b%d","apiVersions":["1"]}`) + `]}]}`, ""},
		"one type again and again": {"/providers", `{"value":[{"namespace":"A","resourceTypes":[` + many(40_000, `{"resourceType":"b","apiVersions":["%d"]}`) + `]}]}`, fault.LimitExceeded},
		"a large provider":         {"/providers", `{"value":[{"namespace":"A","resourceTypes":[` + many(90_000, `{"resourceType":"b%d","apiVersions":["1"]}`) + `]}]}`, fault.LimitExceeded},
		"providers":                {"/providers", `{"value":[` + many(10_001, `{"namespace":"A%d"}`) + `]}`, fault.LimitExceeded},
		"a provider of no name":    {"/providers", `{"value":[{"namespace":"A","resourceTypes":[{"resourceType":"b"}]},{}]}`, fault.SourceInvalid},
		"subscriptions":            {"/subscriptions", `{"value":[` + many(20_001, `{"subscriptionId":"%d"}`) + `]}`, fault.LimitExceeded},
		"large subscriptions":      {"/subscriptions", `{"value":[` + many(20, `{"subscriptionId":"%d","x":"`+strings.Repeat("x", 1<<20)+`"}`) + `]}`, fault.LimitExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			h.with(body(test.path, 200, test.answer))
			s := openHost(t, config)
			var err error
			if test.path == "/providers" {
				_, err = s.Tenant().Offers(t.Context(), "s")
			} else {
				_, err = s.Tenant().Subscriptions(t.Context())
			}
			if test.code == "" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, test.code)
			}
		})
	}
}
