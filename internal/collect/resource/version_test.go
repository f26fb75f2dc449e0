package resource_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/crp"
	"infrabackup/internal/collect/nrp"
	"infrabackup/internal/collect/rbac"
	"infrabackup/internal/collect/resource"
)

// TestVersionsOfWhereToLook: a stamp that takes older api-versions than the newest known
// ones, or unknown ones, and does not say so among its offers, is asked with those that it
// takes, for the lists that say where to look too.
func TestVersionsOfWhereToLook(t *testing.T) {
	for _, path := range []string{"/resources", "/resourcegroups", "/locations", "/providers/microsoft.subscriptions.admin/subscriptions"} {
		for _, takes := range []string{"2018-05-01", "2014-01-01"} {
			t.Run(path+" "+takes, func(t *testing.T) {
				t.Parallel()
				s := newScene(t)
				s.stamp.Inject(at("/providers", rewriting(func(body string) string {
					return strings.NewReplacer(`"resourceType":"resources"`, `"resourceType":"x"`, `"resourceType":"resourceGroups"`, `"resourceType":"y"`,
						`"resourceType":"locations"`, `"resourceType":"z"`).Replace(body)
				})))
				var struck atomic.Bool
				old := answering(http.StatusBadRequest, `{"error":{"code":"InvalidApiVersionParameter","message":"The api-version is invalid. The supported versions are '`+takes+`'."}}`)
				isList := at(path, old).Match
				old.Match = func(r *http.Request) bool {
					if !isList(r) || r.Header.Get("X-Taken") != "" || strings.Contains(strings.ToLower(r.URL.RawQuery), "skiptoken") {
						return false
					}
					struck.Store(true)
					return true
				}
				s.stamp.Inject(old)
				// The stand-in itself takes its own versions only.
				defer s.stamp.Observe(func(r *http.Request) {
					if query := r.URL.Query(); isList(r) && query.Get("api-version") == takes {
						query.Set("api-version", own[path])
						r.URL.RawQuery = query.Encode()
						r.Header.Set("X-Taken", "yes")
					}
				})()
				for _, table := range []resource.Table{crp.Table(), nrp.Table(), rbac.Table()} {
					_, err := s.capture(t, table, 0)
					require.NoError(t, err, table.Service)
				}
				require.True(t, struck.Load())
			})
		}
	}
}

// own are versions that the stand-in takes.
var own = map[string]string{"/resources": "2019-10-01", "/resourcegroups": "2019-10-01", "/locations": "2016-06-01", "/providers/microsoft.subscriptions.admin/subscriptions": "2015-11-01"}
