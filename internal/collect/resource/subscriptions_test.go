package resource_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/collect/arm"
	"infrabackup/internal/collect/crp"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/collect/nrp"
	"infrabackup/internal/collect/rbac"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/collect/srp"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab/stamp/inventory"
)

// metering adds a subscription of the operator, and returns its ID.
func (s *scene) metering(t *testing.T) string {
	t.Helper()
	const added = "c0ffee00-1111-4222-8333-444455556666"
	for d := range s.stamp.Documents() {
		if d.Endpoint == inventory.Admin && strings.EqualFold(d.Type, "Microsoft.Resources/subscriptions") {
			own := gjson.GetBytes(d.Body, "subscriptionId").String()
			d.ID, d.Body = strings.ReplaceAll(d.ID, own, added), []byte(strings.ReplaceAll(string(d.Body), own, added))
			s.stamp.Put(d)
			return added
		}
	}
	t.Fatal("the operator has no subscription")
	return ""
}

// TestOperatorSubscriptions: one of the operator's subscriptions has the list of users,
// and the others refuse it.
func TestOperatorSubscriptions(t *testing.T) {
	tables := []resource.Table{arm.Table(elsewhere()), crp.Table(), srp.Table(), nrp.Table(), keyvault.Table(), rbac.Table()}
	const list = "/providers/microsoft.subscriptions.admin/subscriptions"
	for name, answer := range map[string]struct {
		status int
		code   string
	}{"409": {http.StatusConflict, "MissingSubscriptionRegistration"}, "404": {http.StatusNotFound, "NotFound"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			added := s.metering(t)
			refusing := answering(answer.status, `{"error":{"code":"`+answer.code+`","message":"No."}}`)
			remove := s.stamp.Inject(at(added+list, refusing))
			for _, table := range tables {
				r, err := s.capture(t, table, 0)
				require.NoError(t, err, table.Service)
				require.Contains(t, codes(r.Gaps()), resource.GapNotRegistered, table.Service)
				require.NoError(t, s.check(t, table), table.Service)
			}
			remove()
			defer s.stamp.Inject(at(list, refusing))()
			_, err := s.capture(t, crp.Table(), 0)
			require.ErrorIs(t, err, fault.SourceInvalid, "none of them has the list")
			require.ErrorIs(t, s.check(t, crp.Table()), fault.SourceInvalid)
		})
	}
}

// TestUserSubscriptionWithoutMember: a user subscription that only its ID names is one
// that the client has to see.
func TestUserSubscriptionWithoutMember(t *testing.T) {
	const list, unseen = "/providers/microsoft.subscriptions.admin/subscriptions", "0ddba11e-1111-4222-8333-444455556666"
	for element, code := range map[string]fault.Code{
		`{"id":"/subscriptions/op/providers/Microsoft.Subscriptions.Admin/subscriptions/` + unseen + `","state":"Enabled"}`: fault.SourceAccessDenied,
		`{"SubscriptionId":"` + unseen + `"}`: fault.SourceAccessDenied,
		`{"state":"Enabled"}`:                 fault.SourceInvalid,
	} {
		s := newScene(t)
		s.stamp.Inject(at(list, rewriting(func(body string) string { return strings.Replace(body, `"value":[`, `"value":[`+element+`,`, 1) })))
		_, err := s.capture(t, crp.Table(), 0)
		require.ErrorIs(t, err, code, element)
	}
}
