package residual

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/restore/mapping"
)

const (
	subA = "11111111-aaaa-4bbb-8ccc-000000000001"
	subB = "22222222-aaaa-4bbb-8ccc-000000000002"
	tenA = "33333333-aaaa-4bbb-8ccc-000000000003"
	depA = "55555555-aaaa-4bbb-8ccc-000000000005"
	sidA = "S-1-5-21-10-20-30"
)

func site() *mapping.Site {
	return &mapping.Site{
		Format: mapping.Format, Source: mapping.Cloud{FQDN: "local.azs.test", DeploymentID: depA}, Target: mapping.Cloud{FQDN: "south.azs.test", DeploymentID: subB},
		Regions: map[string]string{"local": "south"}, Tenants: map[string]string{tenA: "44444444-aaaa-4bbb-8ccc-000000000004"}, Subscriptions: map[string]string{subA: "66666666-aaaa-4bbb-8ccc-000000000006"},
		Domains: []mapping.Domain{{Source: mapping.DomainNames{SID: sidA, DNS: "azs.test", NetBIOS: "AZS"}, Target: mapping.DomainNames{SID: "S-1-5-21-4-5-6", DNS: "corp.example", NetBIOS: "CORP"}}},
	}
}

func utf16le(text string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

func binarySID(rid uint32) []byte {
	out := []byte{1, 5, 0, 0, 0, 0, 0, 5}
	for _, n := range []uint32{21, 10, 20, 30, rid} {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	return out
}

func find(t *testing.T, value any) []Finding {
	t.Helper()
	document, err := json.Marshal(map[string]any{"m": value})
	require.NoError(t, err)
	return New(site()).Find(document)
}

func TestFind(t *testing.T) {
	b64 := func(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
	for text, want := range map[string]string{
		"x.local.azs.test":                    "fqdn", // and the domain that is in it
		"LOCAL.AZS.TEST":                      "fqdn",
		"dc.azs.test":                         "domain",
		"x%40azs.test":                        "domain",
		"CN=x,DC=azs,DC=test":                 "domain",
		"/subscriptions/" + subA:              "subscription",
		strings.ReplaceAll(tenA, "-", ""):     "tenant",
		strings.ToUpper(depA):                 "deploymentId",
		sidA:                                  "domainSid",
		sidA + "-1104":                        "domainSid",
		`azs\svc`:                             "netbios",
		"/x/locations/Local/y":                "region",
		"/a/resourceGroups/system.local/b":    "region",
		"w.local.cloudapp.south.azs.test":     "region",
		string(utf16le("h.local.azs.test")):   "fqdn",
		b64([]byte("h.local.azs.test")):       "fqdn",
		b64(utf16le("h.local.azs.test")):      "fqdn",
		b64(binarySID(1104)):                  "domainSid",
		"-enc " + b64(utf16le("x "+subA)):     "subscription",
		"ab" + b64([]byte("xx "+subA+" yyy")): "subscription",
		base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe\xfb\xff azs.test")): "domain",
		b64([]byte(b64([]byte("u=" + subA)))):                                     "subscription",
		"-----BEGIN-----\r\n" + b64([]byte("0123456789012345678901234567890 loc"))[:40] + "\r\n" + b64([]byte("0123456789012345678901234567890 local.azs.test"))[40:]: "fqdn",
	} {
		found := find(t, text)
		require.NotEmpty(t, found, "%q", text)
		kinds := []string{}
		for _, f := range found {
			kinds = append(kinds, f.What)
			require.Equal(t, "m", f.Member)
			require.NotContains(t, f.String(), "azs")
		}
		require.Contains(t, kinds, want, "%q", text)
	}
	for _, text := range []string{"", "local", "south.azs.test", "x.south.azs.test:443", "xlocal.azs.testy", "azs.tester", "my-azs.test", "azs", `south\x`, subB, sidA + "0-1104", "S-1-5-21-4-5-6-512", "DC=azs,DC=test,DC=net",
		"/resourceGroups/local/providers", b64([]byte("south.azs.test")), b64([]byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 9, 0, 0, 0}), `CN=AZS\, Inc`} {
		require.Empty(t, find(t, text), "%q", text)
	}
	require.Nil(t, New(nil).Find([]byte(subA)))
}

func TestMembers(t *testing.T) {
	found := New(site()).Find([]byte(`{"location":"local","tags":{"local":"local","azs.test":"x"},"properties":{"a":[{"b":"azs.test"}],"listOfAllowedLocations":{"value":["south","local"]},
		"rule":{"field":"location","equals":"local"}}}`))
	var at []string
	for _, f := range found {
		at = append(at, f.Member+" "+f.What+" "+f.Form)
	}
	require.Equal(t, []string{"location region text", "properties.a[0].b domain text", "properties.listOfAllowedLocations.value[1] region text", "properties.rule.equals region text", "tags domain name of a member, text"}, at)
	found = New(site()).Find([]byte("no JSON: " + sidA + "-1104"))
	require.Equal(t, []Finding{{What: "domainSid", Form: "text", SID: strings.ToLower(sidA) + "-1104"}}, found)
}

// TestWhatIsKeptIsNotLookedFor: names that are the same in the target are not the source's.
func TestWhatIsKeptIsNotLookedFor(t *testing.T) {
	s := site()
	s.Target.FQDN, s.Domains, s.Regions = s.Source.FQDN, nil, map[string]string{"local": "local"}
	s.Subscriptions[subA] = subA
	require.Empty(t, New(s).Find([]byte(`{"location":"local","id":"/subscriptions/`+subA+`","h":"local.azs.test"}`)))
}

// TestWhatIsMappedIsFoundNoMore holds the scan and the mapping, which share nothing, to each
// other: a document of any mix of names has none of the source's behind the mapping.
func TestWhatIsMappedIsFoundNoMore(t *testing.T) {
	n, err := mapping.NewNames(site())
	require.NoError(t, err)
	s := New(site())
	parts := []string{"local.azs.test", "azs.test", "south.azs.test", subA, strings.ReplaceAll(tenA, "-", ""), depA, sidA + ",", sidA + "-512;", "DC=azs,DC=test", `AZS\u`, ".", "/", "%2F", "-", "_", "x", ",", " ", "@", "=", "/locations/local", "local",
		"/resourceGroups/system.local", "w.local.cloudapp.local.azs.test"}
	r := rand.New(rand.NewPCG(7, 7))
	seen := 0
	for range 5_000 {
		var text strings.Builder
		for range 1 + r.IntN(5) {
			text.WriteString(parts[r.IntN(len(parts))])
		}
		document := map[string]any{"location": "local", "tags": map[string]any{text.String(): text.String()}, "list": []any{text.String()}}
		before, err := json.Marshal(document)
		require.NoError(t, err)
		after, err := json.Marshal(n.Document(document))
		require.NoError(t, err)
		require.Greater(t, len(s.Find(before)), 0)
		require.Empty(t, s.Find(after), "%s", after)
		seen++
	}
	require.Equal(t, 5_000, seen)
}

func FuzzFind(f *testing.F) {
	for _, text := range []string{"", "{}", `{"a":"` + subA + `"}`, "AAAA", "%2F", string(utf16le("azs.test")), string(binarySID(1)), fmt.Sprintf("%q", base64.StdEncoding.EncodeToString(binarySID(7)))} {
		f.Add([]byte(text))
	}
	s := New(site())
	f.Fuzz(func(t *testing.T, document []byte) {
		require.LessOrEqual(t, len(s.Find(document)), maxFindings)
		// Behind whatever, a GUID is found.
		if whole := append(append([]byte{}, document...), " "+subA+" "...); len(s.Find(document)) == 0 {
			require.NotEmpty(t, s.Find(whole))
		}
	})
}
