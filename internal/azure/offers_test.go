package azure

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	o := &Offers{types: map[string]offer{}}
	require.NoError(t, o.add([]byte(`{"namespace":"Contoso.Widgets","resourceTypes":[
		{"resourceType":"gadgets","apiVersions":["2019-07-01","2020-06-01","2017-12-01","2020-06-01-preview"]},
		{"resourceType":"previews","apiVersions":["2021-01-01-preview","2020-01-01-preview"]},
		{"resourceType":"empty","apiVersions":[]}]}`)))
	for name, test := range map[string]struct {
		fullType string
		known    []string
		want     Choice
		offered  bool
	}{
		"newest of both":           {"Contoso.Widgets/gadgets", []string{"2017-12-01", "2020-06-01", "2019-07-01"}, Choice{"2020-06-01", true}, true},
		"newest known is missing":  {"Contoso.Widgets/gadgets", []string{"2021-01-01", "2019-07-01"}, Choice{"2019-07-01", true}, true},
		"whatever its case":        {"contoso.widgets/GADGETS", []string{"2017-12-01"}, Choice{"2017-12-01", true}, true},
		"only a preview is known":  {"Contoso.Widgets/gadgets", []string{"2020-06-01-preview"}, Choice{"2020-06-01-preview", true}, true},
		"none known, older exists": {"Contoso.Widgets/gadgets", []string{"2018-01-01"}, Choice{"2017-12-01", false}, true},
		"none known, all newer":    {"Contoso.Widgets/gadgets", []string{"2016-01-01"}, Choice{"2017-12-01", false}, true},
		"nothing is known":         {"Contoso.Widgets/gadgets", nil, Choice{"2020-06-01", false}, true},
		"previews only":            {"Contoso.Widgets/previews", nil, Choice{"2021-01-01-preview", false}, true},
		"no version":               {"Contoso.Widgets/empty", nil, Choice{}, false},
		"not offered":              {"Contoso.Widgets/others", nil, Choice{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, offered := o.Choose(test.fullType, test.known)
			require.Equal(t, test.offered, offered)
			require.Equal(t, test.want, got)
		})
	}
	require.Equal(t, []string{"Contoso.Widgets/empty", "Contoso.Widgets/gadgets", "Contoso.Widgets/previews"}, o.Types())
}

// TestProviders: however a provider writes what it offers, it is known, or known to be
// vague.
func TestProviders(t *testing.T) {
	for name, test := range map[string]struct {
		provider     string
		types, vague []string
	}{
		"no namespace":            {`{"id":"/subscriptions/s/providers/A.B","resourceTypes":[{"resourceType":"c"}]}`, []string{"A.B/c"}, nil},
		"a namespace null":        {`{"namespace":null,"id":"/subscriptions/s/Providers/A.B/","resourceTypes":[{"resourceType":"c"}]}`, []string{"A.B/c"}, nil},
		"in capitals":             {`{"Namespace":"A.B","ResourceTypes":[{"ResourceType":"c","ApiVersions":["1"]}]}`, []string{"A.B/c"}, nil},
		"a type without name":     {`{"namespace":"A.B","resourceTypes":[{"resourceType":null},{"resourceType":"c"}]}`, []string{"A.B/c"}, []string{"A.B"}},
		"a type that is a text":   {`{"namespace":"A.B","resourceTypes":["c",{"resourceType":"d"}]}`, []string{"A.B/d"}, []string{"A.B"}},
		"types that are no array": {`{"namespace":"A.B","resourceTypes":{"resourceType":"c"}}`, nil, []string{"A.B"}},
		"no types":                {`{"namespace":"A.B"}`, nil, []string{"A.B"}},
	} {
		o := &Offers{types: map[string]offer{}}
		require.NoError(t, o.add([]byte(test.provider)), name)
		for _, of := range []*Offers{o, Join(o)} {
			require.ElementsMatch(t, test.types, of.Types(), name)
			require.ElementsMatch(t, test.vague, of.Vague(), name)
		}
	}
	for _, provider := range []string{`{}`, `{"resourceTypes":[{"resourceType":"c"}]}`, `{"id":"/providers"}`, `{"id":"/subscriptions/s"}`, `"A.B"`, `null`} {
		require.Error(t, (&Offers{types: map[string]offer{}}).add([]byte(provider)), provider)
	}
}

func FuzzOffers(f *testing.F) {
	f.Add([]byte(`{"namespace":"a","resourceTypes":[{"resourceType":"b","apiVersions":["2020-01-01",1,null]}]}`), "a/b")
	f.Add([]byte(`{"resourceTypes":{"a":1}}`), "/")
	f.Fuzz(func(t *testing.T, provider []byte, fullType string) {
		o := &Offers{types: map[string]offer{}}
		if o.add(provider) != nil {
			require.Empty(t, o.Types())
		}
		choice, offered := o.Choose(fullType, []string{"2019-10-01"})
		if !offered {
			require.Zero(t, choice)
		}
	})
}
