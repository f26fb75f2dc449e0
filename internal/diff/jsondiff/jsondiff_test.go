package jsondiff

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/diff/redact"
	"infrabackup/internal/diff/result"
)

func newKey(t testing.TB) *redact.Key {
	key, err := redact.NewKey(rand.Reader)
	require.NoError(t, err)
	return key
}

var testRules = Compile(Rules{
	Ignore: []Ignore{
		{Path: "**.etag", Reason: "etag"},
		{Path: "properties.configs.address", Reason: "dynamic", If: func(a, b Value) bool {
			return a.Text("method") == "Dynamic" && b.Text("METHOD") == "Dynamic"
		}},
		{Path: "properties.peer", Reason: "peer"},
	},
	Keyed:    map[string][]string{"rules": {"name"}, "dataDisks": {"lun"}, "accessPolicies": {"objectId", "applicationId"}, "configs": {"name"}},
	Sets:     []string{"actions"},
	Verbatim: []string{"tags"},
	Defaults: map[string]string{"properties.forwarding": "false", "**.contentType": "null"},
	Secrets:  []string{"value"},
	Folded:   []string{"name"},
	Hosts:    []string{"kid"},
})

func compare(t testing.TB, a, b string) (result.Details, error) {
	key := newKey(t)
	left, err := Parse([]byte(a), testRules, key)
	if err != nil {
		return result.Details{}, err
	}
	right, err := Parse([]byte(b), testRules, key)
	if err != nil {
		return result.Details{}, err
	}
	var d result.Details
	Compare(left, right, testRules, Options{}, &d)
	return d, nil
}

// lines are details as text.
func lines(d result.Details) []string {
	out := []string{}
	for _, one := range d.List {
		line := string(one.How) + " " + one.Path
		if one.Secret {
			line += " secret"
		}
		if one.Before != nil {
			line += " -" + *one.Before
		}
		if one.After != nil {
			line += " +" + *one.After
		}
		out = append(out, line)
	}
	return out
}

func TestCompare(t *testing.T) {
	const id = "/subscriptions/3b0b6f4e-0000-4000-8000-000000000001/resourceGroups/g/providers/N/x/a"
	for name, c := range map[string]struct {
		a, b    string
		want    []string
		ignored string
	}{
		"same":                        {`{"a":1}`, `{"a":1}`, nil, ""},
		"blanks and order of members": {`{"a":1,"b":{"c":[1,2]}}`, ` { "b" : {"c": [1, 2]}, "a": 1 } `, nil, ""},
		"case of a member":            {`{"Location":"x"}`, `{"location":"x"}`, nil, ""},
		"a text":                      {`{"location":"x"}`, `{"location":"y"}`, []string{"changed location -x +y"}, ""},
		"a text's case":               {`{"location":"x"}`, `{"location":"X"}`, []string{"changed location -x +X"}, ""},
		"text and number":             {`{"n":"1"}`, `{"n":1}`, []string{"changed n -1 +1"}, ""},
		"numbers are texts":           {`{"n":1}`, `{"n":1.0}`, []string{"changed n -1 +1.0"}, ""},
		"large numbers":               {`{"n":9007199254740993}`, `{"n":9007199254740992}`, []string{"changed n -9007199254740993 +9007199254740992"}, ""},
		"null and absent":             {`{"a":null}`, `{}`, []string{"removed a -null"}, ""},
		"null and a value":            {`{"a":null}`, `{"a":0}`, []string{"changed a -null +0"}, ""},
		"default, absent":             {`{"properties":{"forwarding":false}}`, `{"properties":{}}`, nil, ReasonDefault},
		"default, null":               {`{"properties":{"forwarding":null}}`, `{"properties":{"forwarding":false}}`, nil, ReasonDefault},
		"not the default":             {`{"properties":{"forwarding":true}}`, `{"properties":{}}`, []string{"removed properties.forwarding -true"}, ""},
		"default elsewhere":           {`{"forwarding":false}`, `{}`, []string{"removed forwarding -false"}, ""},
		"default everywhere":          {`{"x":{"contentType":null}}`, `{"x":{}}`, nil, ReasonDefault},
		"added object":                {`{}`, `{"a":{"b":[1,"x"],"A":2}}`, []string{`added a +{"A":2,"b":[1,"x"]}`}, ""},
		"ignored everywhere":          {`{"etag":1,"a":{"ETag":"x"}}`, `{"etag":2,"a":{}}`, nil, "etag"},
		"ignored, but not in data":    {`{"tags":{"etag":"1"}}`, `{"tags":{"etag":"2"}}`, []string{"changed tags.etag -1 +2"}, ""},
		"names in data":               {`{"tags":{"Env":"1"}}`, `{"tags":{"env":"1"}}`, []string{"removed tags.Env -1", "added tags.env +1"}, ""},
		"odd names in data":           {`{"tags":{"a.b":"1","":"2"}}`, `{"tags":{"a.b":"2"}}`, []string{`removed tags[""] -2`, `changed tags["a.b"] -1 +2`}, ""},
		"a condition that holds":      {`{"properties":{"configs":[{"name":"c","method":"Dynamic","address":"1"}]}}`, `{"properties":{"configs":[{"name":"c","method":"Dynamic","address":"2"}]}}`, nil, "dynamic"},
		"a condition that does not":   {`{"properties":{"configs":[{"name":"c","method":"Static","address":"1"}]}}`, `{"properties":{"configs":[{"name":"c","method":"Static","address":"2"}]}}`, []string{"changed properties.configs[name=c].address -1 +2"}, ""},
		"keyed, other order":          {`{"rules":[{"name":"a","p":1},{"name":"b","p":2}]}`, `{"rules":[{"name":"B","p":2},{"name":"a","p":1}]}`, nil, ReasonCase + "; " + ReasonOrder},
		"keyed, one more":             {`{"rules":[{"name":"b","p":2}]}`, `{"rules":[{"name":"a","p":1},{"name":"b","p":3}]}`, []string{`added rules[name=a] +{"name":"a","p":1}`, "changed rules[name=b].p -2 +3"}, ""},
		"keyed twice":                 {`{"rules":[{"name":"a","p":1},{"name":"a","p":2}]}`, `{"rules":[{"name":"a","p":2},{"name":"a","p":1}]}`, []string{"changed rules[0].p -1 +2", "changed rules[1].p -2 +1"}, ""},
		"keyed by a number":           {`{"dataDisks":[{"lun":0,"c":"None"},{"lun":1,"c":"None"}]}`, `{"dataDisks":[{"lun":1,"c":"ReadOnly"},{"lun":0,"c":"None"}]}`, []string{"changed dataDisks[lun=1].c -None +ReadOnly"}, ReasonOrder},
		"keyed by two members":        {`{"accessPolicies":[{"objectId":"S-1-5","applicationId":"x","p":1},{"objectId":"S-1-5","p":1}]}`, `{"accessPolicies":[{"objectId":"S-1-5","p":1},{"objectId":"S-1-5","applicationId":"x","p":2}]}`, []string{"changed accessPolicies[objectId=S-1-5,x].p -1 +2"}, ReasonOrder},
		"set":                         {`{"actions":["a","b","b"]}`, `{"actions":["b","c","a"]}`, []string{"removed actions[] -b", "added actions[] +c"}, ""},
		"set, other order":            {`{"actions":["a","b"]}`, `{"actions":["b","a"]}`, nil, ReasonOrder},
		"IDs are sets":                {`{"x":[{"id":"` + id + `"},{"id":"` + id + `2"}]}`, `{"x":[{"id":"` + id + `2"},{"id":"` + strings.ToUpper(id) + `"}]}`, nil, ReasonOrder},
		"one ID more":                 {`{"x":["` + id + `"]}`, `{"x":["` + id + `2","` + id + `"]}`, []string{"added x[] +" + id + "2"}, ""},
		"ordered":                     {`{"dnsServers":["10.0.0.4","10.0.0.5"]}`, `{"dnsServers":["10.0.0.5","10.0.0.4"]}`, []string{"changed dnsServers[0] -10.0.0.4 +10.0.0.5", "changed dnsServers[1] -10.0.0.5 +10.0.0.4"}, ""},
		"ordered, one in front":       {`{"x":[1,2,3]}`, `{"x":[0,1,2,3]}`, []string{"added x[0] +0"}, ""},
		"ordered, one less":           {`{"x":[1,2,3]}`, `{"x":[1,3]}`, []string{"removed x[1] -2"}, ""},
		"empty and absent":            {`{"x":[]}`, `{}`, []string{"removed x -[]"}, ""},
		"case of an ID":               {`{"id":"` + id + `"}`, `{"id":"` + strings.ToLower(id) + `"}`, nil, ReasonCase},
		"case of a GUID":              {`{"x":"3B0B6F4E-0000-4000-8000-000000000001"}`, `{"x":"3b0b6f4e-0000-4000-8000-000000000001"}`, nil, ReasonCase},
		"case of a path":              {`{"x":"/Home/A"}`, `{"x":"/home/a"}`, []string{"changed x -/Home/A +/home/a"}, ""},
		"case, by rule":               {`{"name":"A"}`, `{"name":"a"}`, nil, ReasonCase},
		"host of an ID":               {`{"kid":"https://a.x:1/keys/k/1"}`, `{"kid":"https://b.y/keys/k/1"}`, nil, ReasonHost},
		"behind the host":             {`{"kid":"https://a/keys/k/1"}`, `{"kid":"https://b/keys/k/2"}`, []string{"changed kid -https://a/keys/k/1 +https://b/keys/k/2"}, ""},
		"a secret by rule":            {`{"value":"one"}`, `{"value":"two"}`, []string{"changed value secret"}, ""},
		"a secret by name":            {`{"p":{"adminPassword":"one"}}`, `{"p":{"adminPassword":"two"}}`, []string{"changed p.adminPassword secret"}, ""},
		"a secret that appears":       {`{"p":{}}`, `{"p":{"clientSecret":"two"}}`, []string{"added p.clientSecret secret"}, ""},
		"the same secret":             {`{"p":{"clientSecret":{"a":1,"b":[2]}}}`, `{"p":{"clientSecret":{"b":[2],"a":1}}}`, nil, ""},
		"secrets in data":             {`{"tags":{"password":"one"}}`, `{"tags":{"password":"two"}}`, []string{"changed tags.password secret"}, ""},
		"a secret within an object":   {`{}`, `{"p":{"adminPassword":"two","cs":"AccountKey=two","l":["Password=two"]}}`, []string{`added p +{"adminPassword":"(secret)","cs":"(secret)","l":["(secret)"]}`}, ""},
		"a text that holds one":       {`{"cs":"x"}`, `{"cs":"AccountKey=two"}`, []string{"changed cs secret"}, ""},
		"texts that do not decode":    {`{"x":"\ud800"}`, `{"x":"\ud801"}`, []string{`changed x -"\ud800" +"\ud801"`}, ""},
		"other kinds":                 {`{"x":{}}`, `{"x":[]}`, []string{"changed x -{} +[]"}, ""},
		"no object":                   {`"a"`, `"b"`, []string{"changed  -a +b"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := compare(t, c.a, c.b)
			require.NoError(t, err)
			want := c.want
			if want == nil {
				want = []string{}
			}
			require.Equal(t, want, lines(d))
			var reasons []string
			for _, i := range d.Ignored.List() {
				reasons = append(reasons, i.Reason)
			}
			require.Equal(t, c.ignored, strings.Join(reasons, "; "))
			requireMirrored(t, c.a, c.b)
		})
	}
}

// mirror is what a comparison finds from the other side.
func mirror(d result.Details) []string {
	for i := range d.List {
		one := &d.List[i]
		one.Before, one.After = one.After, one.Before
		switch one.How {
		case result.Added:
			one.How = result.Removed
		case result.Removed:
			one.How = result.Added
		}
	}
	return lines(d)
}

func requireMirrored(t testing.TB, a, b string) {
	there, err := compare(t, a, b)
	require.NoError(t, err)
	back, err := compare(t, b, a)
	require.NoError(t, err)
	x, y := lines(there), mirror(back)
	slices.Sort(x)
	slices.Sort(y)
	require.Equal(t, x, y)
	require.Equal(t, there.Ignored, back.Ignored)
}

func TestParseRefuses(t *testing.T) {
	for name, document := range map[string]string{
		"nothing": "", "no JSON": `{"a":}`, "two documents": `{} {}`, "twice": `{"a":1,"a":2}`, "twice within": `{"x":{"b":1,"b":1}}`, "case only": `{"a":1,"A":2}`,
		"deep": strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), "wide": "[" + strings.Repeat("1,", MaxValues) + "1]",
	} {
		_, err := Parse([]byte(document), testRules, newKey(t))
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := Parse([]byte("\ufeff {\"tags\":{\"a\":1,\"A\":2}}\r\n"), testRules, newKey(t))
	require.NoError(t, err, "users' data may")
}

func TestTranslate(t *testing.T) {
	key := newKey(t)
	parse := func(s string) *Document {
		d, err := Parse([]byte(s), testRules, key)
		require.NoError(t, err)
		return d
	}
	var d result.Details
	a := parse(`{"id":"/subscriptions/a/old","list":["/subscriptions/a/old","/subscriptions/a/x"],"tags":{"t":"/subscriptions/a/old"},"other":"/subscriptions/a/older"}`)
	b := parse(`{"id":"/subscriptions/a/new","list":["/subscriptions/a/x","/subscriptions/a/NEW"],"tags":{"t":"/subscriptions/a/new"},"other":"/subscriptions/a/newer"}`)
	Compare(a, b, testRules, Options{Translate: func(s string) string {
		if s == "/subscriptions/a/old" {
			return "/subscriptions/a/new"
		}
		return s
	}}, &d)
	require.Equal(t, []string{"changed other -/subscriptions/a/older +/subscriptions/a/newer"}, lines(d))
	require.Equal(t, result.Reasons{ReasonTranslated: 2, ReasonOrder: 1}, d.Ignored)
}

// TestValues: what conditions of rules see.
func TestValues(t *testing.T) {
	d, err := Parse([]byte(`{"A":{"b":"c","n":1,"z":null,"l":["x"]}}`), testRules, newKey(t))
	require.NoError(t, err)
	a := d.Root().Member("a")
	require.Equal(t, "c", a.Text("B"))
	require.Empty(t, a.Text("n"))
	require.Equal(t, "c", a.Member("b").AsText())
	require.True(t, a.Member("n").Present())
	require.False(t, a.Member("z").Present())
	require.False(t, a.Member("gone").Member("gone").Present())
	require.Len(t, a.Member("l").Elements(), 1)
	require.Empty(t, a.Member("gone").Elements())
	require.Empty(t, a.Member("gone").AsText())
}

// FuzzCompare: any two documents compare without end of the program, a document does not
// differ from itself, what differs is seen from both sides alike, and no secret is shown.
func FuzzCompare(f *testing.F) {
	f.Add(`{"rules":[{"name":"a"}],"x":["/subscriptions/a"],"value":"canary"}`, `{"rules":[{"name":"A","etag":1}],"properties":{"forwarding":false}}`)
	f.Add(`{"accessPolicies":[{"objectId":"s-1-5"}],"tags":{"A":"b"}}`, `{"accessPolicies":[{"objectId":"S-1-5","p":[1,2,3]}],"kid":"https://a/b"}`)
	f.Add(`[[],{},null,1e5,"\ud800"]`, `[1,[[]]]`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if _, err := compare(t, a, b); err != nil {
			return
		}
		same, err := compare(t, a, a)
		require.NoError(t, err)
		require.Empty(t, same.List)
		require.Empty(t, same.Ignored)
		requireMirrored(t, a, b)
		hidden := func(secret string) string { return fmt.Sprintf(`{"adminPassword":%s,"o":{"value":1}}`, secret) }
		canary, err := json.Marshal("canary-" + a)
		require.NoError(t, err)
		d, err := compare(t, hidden(string(canary)), hidden(b))
		if err == nil {
			encoded, err := json.Marshal(d.List)
			require.NoError(t, err)
			require.False(t, bytes.Contains(encoded, []byte("canary-")), string(encoded))
		}
	})
}
