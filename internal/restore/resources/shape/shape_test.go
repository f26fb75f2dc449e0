package shape

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func decode(t *testing.T, text string) Object {
	t.Helper()
	o, err := Decode([]byte(text))
	require.NoError(t, err)
	return o
}

func encode(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

func TestEveryTableCanBeRead(t *testing.T) {
	require.Greater(t, len(Types()), 40)
	for _, fullType := range Types() {
		require.NotEmpty(t, Of(strings.ToUpper(fullType)).Members, fullType)
	}
	require.Nil(t, Of("Microsoft.Compute/virtualMachineScaleSets"))
}

func TestTablesThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"}", "a{", "a[name", "a{b", "{}", "a}", "a[b{}", strings.Repeat("a{", 100)} {
		_, err := parse(text)
		require.Error(t, err, text)
	}
}

// TestMembersThatAreNeverSent names members by hand, of types that a service would refuse or
// silently ignore.
func TestMembersThatAreNeverSent(t *testing.T) {
	network := Of("Microsoft.Network/virtualNetworks").Project(decode(t, `{"id":"/x","name":"n","type":"t","etag":"e","location":"here","tags":{"a":"b","c":null},"properties":{"provisioningState":"Succeeded","resourceGuid":"g",
		"addressSpace":{"addressPrefixes":["10.0.0.0/8"]},
		"SUBNETS":[{"id":"/x/subnets/s","name":"s","etag":"e","properties":{"addressPrefix":"10.0.0.0/24","ipConfigurations":[{"id":"/nic"}],"networkSecurityGroup":{"id":"/nsg","properties":{"a":1}},"provisioningState":"Succeeded"}}],
		"virtualNetworkPeerings":[{"name":"p","properties":{"peeringState":"Connected","remoteVirtualNetwork":{"id":"/y"}}}]}}`), false)
	require.JSONEq(t, `{"location":"here","tags":{"a":"b"},"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/8"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.0.0.0/24","networkSecurityGroup":{"id":"/nsg"}}}]}}`, encode(t, network))

	nic := Of("Microsoft.Network/networkInterfaces").Project(decode(t, `{"properties":{"macAddress":"00","primary":true,"virtualMachine":{"id":"/vm"},"ipConfigurations":[
		{"name":"a","properties":{"privateIPAddress":"10.0.0.4","privateIPAllocationMethod":"dynamic","primary":true}},{"name":"b","properties":{"privateIPAddress":"10.0.0.5","privateIPAllocationMethod":"Static"}}]}}`), false)
	require.JSONEq(t, `{"properties":{"ipConfigurations":[{"name":"a","properties":{"privateIPAllocationMethod":"dynamic","primary":true}},{"name":"b","properties":{"privateIPAddress":"10.0.0.5","privateIPAllocationMethod":"Static"}}]}}`, encode(t, nic))

	address := Of("Microsoft.Network/publicIPAddresses").Project(decode(t, `{"properties":{"ipAddress":"1.2.3.4","ipConfiguration":{"id":"/nic"},"dnsSettings":{"domainNameLabel":"l","fqdn":"l.x"}}}`), false)
	require.JSONEq(t, `{"properties":{"dnsSettings":{"domainNameLabel":"l"}}}`, encode(t, address))
}

func TestUnknownMembersAreNamed(t *testing.T) {
	s := Of("Microsoft.Compute/virtualMachines")
	require.Empty(t, s.Unknown(decode(t, `{"id":"/x","resources":[],"properties":{"vmId":"v","instanceView":{},"availabilitySet":{"id":"/a","properties":{}}}}`)))
	require.Equal(t, []string{"properties.securityProfile", "properties.storageProfile.dataDisks.detachOption"},
		s.Unknown(decode(t, `{"properties":{"securityProfile":{"a":1},"storageProfile":{"dataDisks":[{"lun":0,"detachOption":"x"},{"lun":1,"detachOption":"x"}]},"vmId":null}}`)))
}

func TestDifferences(t *testing.T) {
	s, err := parse("id- location tags list[name]{name value made! own-} ordered[]{a} set~ plain object{a b} other^[name]{name}")
	require.NoError(t, err)
	for _, test := range []struct {
		want, live string
		more       []string // what differs
		exact      []string // what differs besides when nothing else may be there
	}{
		{`{}`, `{}`, nil, nil},
		{`{}`, `{"tags":{"a":"b"}}`, nil, []string{"tags"}},
		{`{"tags":{"a":"b"}}`, `{"tags":{"A":"b"}}`, []string{"tags.a"}, []string{"tags.A"}},
		{`{"location":"East US"}`, `{"location":"eastus"}`, nil, nil},
		{`{"list":[]}`, `{}`, nil, nil},
		{`{"list":[{"name":"A","value":1}]}`, `{"list":[{"name":"b"},{"name":"a","value":1.0}]}`, nil, []string{"list[b]"}},
		{`{"list":[{"name":"a","value":1}]}`, `{"list":[{"name":"a","value":2}]}`, []string{"list[a].value"}, nil},
		{`{"list":[{"name":"a"}]}`, `{}`, []string{"list[a]"}, nil},
		{`{"list":[{"name":"a","made":1}]}`, `{"list":[{"name":"a","made":2}]}`, nil, nil},
		{`{"ordered":[{"a":1},{"a":2}]}`, `{"ordered":[{"a":2},{"a":1}]}`, []string{"ordered[0].a", "ordered[1].a"}, nil},
		{`{"ordered":[{"a":1}]}`, `{"ordered":[{"a":1},{"a":2}]}`, []string{"ordered"}, nil},
		{`{"set":["a","b"]}`, `{"set":["B","a"]}`, nil, nil},
		{`{"set":["a","b"]}`, `{"set":["a","c"]}`, []string{"set"}, nil},
		{`{"plain":["a","b"]}`, `{"plain":["b","a"]}`, []string{"plain"}, nil},
		{`{"plain":"/A/b"}`, `{"plain":"/a/B"}`, nil, nil},
		{`{"plain":"A"}`, `{"plain":"a"}`, []string{"plain"}, nil},
		{`{"plain":false}`, `{}`, []string{"plain"}, nil},
		{`{"object":{"a":1}}`, `{"object":{"a":1,"b":2}}`, nil, []string{"object.b"}},
		{`{"other":[{"name":"a"}]}`, `{}`, nil, nil},
	} {
		want, live := decode(t, test.want), decode(t, test.live)
		require.Equal(t, test.more, s.Differences(want, live, false), "%s %s", test.want, test.live)
		require.ElementsMatch(t, append(append([]string{}, test.more...), test.exact...), s.Differences(want, live, true), "%s %s", test.want, test.live)
	}
}

func TestMerge(t *testing.T) {
	s, err := parse("tags properties{list[name]{name a b made!} whole{a b c{d}} plain fixed! carried^[name]{name}}")
	require.NoError(t, err)
	for _, test := range []struct{ want, live, merged, exact string }{
		{`{"tags":{"a":"1"}}`, `{"tags":{"b":"2"}}`, `{"tags":{"a":"1","b":"2"}}`, `{"tags":{"a":"1"}}`},
		{`{"properties":{"plain":1}}`, `{"properties":{"plain":2,"whole":{"a":1}}}`, `{"properties":{"plain":1,"whole":{"a":1}}}`, `{"properties":{"plain":1}}`},
		{`{"properties":{"list":[{"name":"a","a":1}]}}`, `{"properties":{"list":[{"name":"b"},{"name":"A","b":2,"made":3}]}}`,
			`{"properties":{"list":[{"name":"a","a":1,"made":3},{"name":"b"}]}}`, `{"properties":{"list":[{"name":"a","a":1,"made":3}]}}`},
		{`{"properties":{"whole":{"a":1}}}`, `{"properties":{"whole":{"b":1}}}`, `{"properties":{"whole":{"a":1}}}`, `{"properties":{"whole":{"a":1}}}`},
		{`{"properties":{"fixed":1}}`, `{"properties":{"fixed":2}}`, `{"properties":{"fixed":2}}`, `{"properties":{"fixed":2}}`},
		{`{"properties":{"fixed":1}}`, `{"properties":{}}`, `{"properties":{"fixed":1}}`, `{"properties":{"fixed":1}}`},
		{`{"properties":{"plain":1}}`, `{"properties":{"carried":[{"name":"x"}]}}`, `{"properties":{"plain":1,"carried":[{"name":"x"}]}}`, `{"properties":{"plain":1,"carried":[{"name":"x"}]}}`},
	} {
		want, live := decode(t, test.want), decode(t, test.live)
		require.JSONEq(t, test.merged, encode(t, s.Merge(want, live, false)), "%s %s", test.want, test.live)
		require.JSONEq(t, test.exact, encode(t, s.Merge(want, live, true)), "%s %s", test.want, test.live)
		require.Empty(t, s.Differences(want, s.Merge(want, live, false), false))
		require.Empty(t, s.Differences(want, s.Merge(want, live, true), true))
		require.JSONEq(t, test.want, encode(t, want), "it is not changed")
		require.JSONEq(t, test.live, encode(t, live), "it is not changed")
	}
}

// FuzzDocuments: whatever a document is, what is taken of it is taken of that again, and
// nothing ends the program.
func FuzzDocuments(f *testing.F) {
	for _, document := range []string{`{}`, `{"properties":{"subnets":[{"name":"a"},{"name":"a"},null,1]}}`, `{"properties":[]}`, `{"properties":{"subnets":{}}}`, `{"tags":[1,{"a":null}]}`, `{"location":{"a":1}}`, `{"ID":1,"id":2}`} {
		f.Add([]byte(document), []byte(`{"properties":{"subnets":[{"name":"b"}]}}`))
	}
	s := Of("Microsoft.Network/virtualNetworks")
	f.Fuzz(func(t *testing.T, a, b []byte) {
		one, err := Decode(a)
		if err != nil {
			return
		}
		p := s.Project(one, true)
		require.Equal(t, p, s.Project(p, true))
		s.Unknown(one)
		two, err := Decode(b)
		if err != nil {
			return
		}
		q := s.Project(two, true)
		for _, exact := range []bool{false, true} {
			s.Differences(p, q, exact)
			s.Merge(p, q, exact)
		}
	})
}
