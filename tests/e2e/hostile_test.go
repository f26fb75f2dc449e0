package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/tier"
)

// hostile is a way in which a stamp attacks the memory of who reads it.
type hostile struct {
	fault stamp.Fault
	body  func() []byte // of the fault, which takes a while to make
	each  string        // a list of every subscription, each of which has other offers
	soak  bool          // only the soak has it; others like it are in internal/azure
	whole bool          // the answers are within all limits: everything is captured
}

// isContent reports whether a request is for what is captured: neither a token nor what
// says where to get one.
func isContent(r *http.Request) bool {
	path := strings.ToLower(r.URL.Path)
	return !strings.Contains(path, "/metadata/") && !strings.Contains(path, "oauth2") && !strings.Contains(path, ".well-known")
}

// isResource reports whether a request is for resources, not for what is offered.
func isResource(r *http.Request) bool {
	return isContent(r) && !ending("/providers")(r) && !ending("/subscriptions")(r) && !ending("/locations")(r)
}

// ending matches requests by the end of their path.
func ending(path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasSuffix(strings.ToLower(r.URL.Path), path) }
}

// numbered are n elements of a list, each made of its number where it has a place for that.
func numbered(n int, element string) []byte {
	var list bytes.Buffer
	list.WriteString(`{"value":[`)
	for i := range n {
		if i > 0 {
			list.WriteByte(',')
		}
		if strings.Contains(element, "%") {
			fmt.Fprintf(&list, element, i)
		} else {
			list.WriteString(element)
		}
	}
	list.WriteString(`]}`)
	return list.Bytes()
}

// offering are 20 MB of offers, different for each n.
func offering(n int) []byte {
	var places strings.Builder
	for i := range 900 {
		fmt.Fprintf(&places, `,"a place with the name %d"`, i)
	}
	return numbered(1_000, fmt.Sprintf(`{"namespace":"Contoso.N%%d-%d","resourceTypes":[{"resourceType":"t","apiVersions":["2019-01-01"],"locations":[%s]}]}`, n, places.String()[1:]))
}

// TestHostileStampCostsTheWorkerNoMemory reads stamps that answer, on every connection
// and to all six services at once, with as much as the limits allow or more. Whatever
// comes, the worker lives, and stays below the memory that its unit gives it.
func TestHostileStampCostsTheWorkerNoMemory(t *testing.T) {
	t.Parallel()
	const below = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Compute/disks/"
	for name, test := range map[string]hostile{
		"documents of 15 MiB": {fault: stamp.Fault{Kind: stamp.HugeItem, Size: 15, Match: isResource, Times: tier.Size(0, 24, 200)}, whole: true},
		"brackets":            {soak: true, fault: stamp.Fault{Kind: stamp.Instead, Status: http.StatusOK, Match: isContent}, body: func() []byte { return bytes.Repeat([]byte("["), 32<<20) }},
		"refusals":            {soak: true, fault: stamp.Fault{Kind: stamp.Instead, Status: http.StatusBadRequest, Match: isContent}, body: func() []byte { return []byte(`{"error":{"message":"` + strings.Repeat("x", 32<<20) + `"}}`) }},
		"empty objects":       {fault: stamp.Fault{Kind: stamp.Instead, Status: http.StatusOK, Match: isContent}, body: func() []byte { return numbered(10_000_000, `{}`) }},
		"IDs of 60 KB": {soak: true, fault: stamp.Fault{Kind: stamp.Instead, Status: http.StatusOK, Match: ending("/resources")}, body: func() []byte {
			return numbered(1_000, `{"id":"`+below+strings.Repeat("n", 60_000)+`%d","type":"Microsoft.Compute/disks"}`)
		}},
		"IDs of 8 KB": {soak: true, fault: stamp.Fault{Kind: stamp.Instead, Status: http.StatusOK, Match: ending("/resources")}, body: func() []byte {
			return numbered(15_000, `{"id":"`+below+strings.Repeat("n", 8_000)+`%d","type":"Microsoft.Compute/disks"}`)
		}},
		"a million groups": {soak: true, fault: stamp.Fault{Kind: stamp.Instead, Status: http.StatusOK, Match: ending("/resourcegroups")}, body: func() []byte { return numbered(1_000_000, `{"name":"group-with-a-name-of-some-length-%d"}`) }},
		"subscriptions": {soak: true, fault: stamp.Fault{Kind: stamp.Instead, Status: http.StatusOK, Match: ending("/subscriptions")}, body: func() []byte {
			return numbered(20_000, `{"subscriptionId":"%08d-0000-0000-0000-000000000000","padding":"`+strings.Repeat("x", 720)+`"}`)
		}},
		"offers": {each: "/providers", fault: stamp.Fault{Kind: stamp.Instead, Status: http.StatusOK}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.soak && !tier.Soak() {
				t.Skip("only in the soak")
			}
			began := time.Now()
			cloud := newCloud(t, 100, 0)
			folder := t.TempDir()
			write := func(name string, data []byte) string {
				require.NoError(t, os.WriteFile(folder+"/"+name, data, 0o600))
				return folder + "/" + name
			}
			o := newOperatorWith(t, func(env lab.Environment) string {
				return onlyCA(env) + fmt.Sprintf("  azure: {managementUrl: %s, adminManagementUrl: %s, authorityUrl: %s, clientId: %s, clientSecretFile: %s, caFile: %s, resolver: %s}\n",
					cloud.source.TenantURL, cloud.source.AdminURL, cloud.source.Authority, cloud.source.ClientID,
					write("secret", []byte(cloud.source.ClientSecret)), write("ca.pem", []byte(cloud.source.CA)), cloud.source.Resolver)
			})
			into[map[string]any](t, o.enable(nil))
			if test.body != nil {
				test.fault.Body = test.body()
			}
			if test.each == "" {
				cloud.Inject(test.fault)
			}
			for i, d := range cloud.contents.Documents {
				if d.Type == "Microsoft.Resources/subscriptions" && test.each != "" {
					f := test.fault
					f.Match, f.Body = ending(strings.ToLower(d.ID)+test.each), offering(i)
					cloud.Inject(f)
				}
			}
			a := o.run("backup", "start", "--wait", "-o", "json")
			peak, err := lab.PeakMemory(o.pid)
			require.NoError(t, err, "the worker ended")
			t.Logf("the worker had at most %d MiB, in %s", peak>>20, time.Since(began))
			require.Less(t, peak, int64(256<<20))

			shown := into[[]backup.Overview](t, o.run("backup", "list", "-o", "json"))
			require.Len(t, shown, 1, "%s%s", a.stdout, a.stderr)
			require.Equal(t, test.whole, shown[0].Status == backup.Succeeded, "%+v", shown[0])
			for _, s := range shown[0].Services {
				if s.Status != backup.Succeeded {
					require.NotEqual(t, string(fault.Internal), s.Code, s.Message)
					require.NotEmpty(t, s.Code)
				}
			}
		})
	}
}
