package definition_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp/definition"
	"infrabackup/tests/spec"
)

// one is a definition with every kind of member.
const one = `{"info":{"version":"1"},"paths":{"/subscriptions/{s}/resourceGroups/{g}/providers/A.B/things/{t}":{"put":{"operationId":"Put","x-ms-long-running-operation":true,
	"parameters":[{"in":"path","name":"t"},{"in":"body","name":"b","schema":{"$ref":"#/definitions/Thing"}}],"responses":{"200":{"schema":{"$ref":"#/definitions/Thing"}},"202":{},"default":{}}}}},
	"definitions":{"Base":{"required":["name"],"properties":{"id":{"type":"string","readOnly":true},"name":{"type":"string","maxLength":5}}},
	"Thing":{"allOf":[{"$ref":"#/definitions/Base"}],"properties":{"kind":{"type":"string","enum":["Big","Small"]},"size":{"type":"integer","minimum":1},"on":{"type":"boolean"},
	"list":{"type":"array","items":{"$ref":"#/definitions/Thing"}},"free":{"type":"object"},"tags":{"type":"object","additionalProperties":{"type":"string"}},"seen":{"type":"string","x-ms-mutability":["read"]}}}}}`

func clean(t *testing.T, body string) (string, []string) {
	t.Helper()
	set, err := definition.Load(fstest.MapFS{"a.json": {Data: []byte(one)}})
	require.NoError(t, err)
	o := set.Find("PUT", "a.b/things", "1")
	require.NotNil(t, o)
	require.True(t, o.LongRunning)
	require.Equal(t, []string{"200", "202"}, o.Statuses)
	require.Equal(t, []string{"200"}, o.Bodies)
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	var v any
	require.NoError(t, decoder.Decode(&v))
	cleaned, problems := o.Body.Clean(v)
	raw, err := json.Marshal(cleaned)
	require.NoError(t, err)
	return string(raw), problems
}

func TestCleanDropsWhatIsNotTheClients(t *testing.T) {
	t.Parallel()
	got, problems := clean(t, `{"ID":"x","NAME":"n","kind":"bIG","seen":"s","unknown":1,"free":{"any":[1.50]},"tags":{"a":"b"},"on":null,"list":[{"name":"m","id":"y"}]}`)
	require.Empty(t, problems)
	require.JSONEq(t, `{"name":"n","kind":"Big","free":{"any":[1.50]},"tags":{"a":"b"},"list":[{"name":"m"}]}`, got)
}

func TestCleanRefuses(t *testing.T) {
	t.Parallel()
	for body, where := range map[string]string{
		`[]`: "the body: want an object", `{}`: "name: is required", `{"name":1}`: "name: want a string", `{"name":"toolong"}`: "name: has a wrong length", `{"name":"n","kind":"Odd"}`: "kind:",
		`{"name":"n","size":0}`: "size: is out of range", `{"name":"n","size":1.5}`: "size: want a whole number", `{"name":"n","size":"1"}`: "size: want a number", `{"name":"n","on":"true"}`: "on: want true or false",
		`{"name":"n","list":[{}]}`: "list[0].name: is required", `{"name":"n","list":[null]}`: "list[0]: want no null", `{"name":"n","tags":{"a":1}}`: "tags.a: want a string", `{"name":"n","Name":"m"}`: "given more than once",
	} {
		_, problems := clean(t, body)
		require.NotEmpty(t, problems, body)
		require.Contains(t, strings.Join(problems, "; "), where, body)
	}
}

func TestLoadRefusesWhatItCannotFollow(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{`{"$ref":"other.json#/definitions/A"}`, `{"$ref":"#/definitions/A"}`, `{"$ref":"#/parameters/A"}`, `{"allOf":[{"$ref":"#/definitions/A"}]}`, `{"type":"string","pattern":"("}`} {
		_, err := definition.Load(fstest.MapFS{"a.json": {Data: []byte(`{"paths":{"/x":{"put":{"parameters":[{"in":"body","schema":` + schema + `}],"responses":{}}}}}`)}})
		require.Error(t, err, schema)
	}
}

// TestEveryPutHasAShape holds for all definitions but for those that take no body.
func TestEveryPutHasAShape(t *testing.T) {
	t.Parallel()
	set, err := definition.Load(spec.Definitions, spec.Written)
	require.NoError(t, err)
	for _, typ := range []string{"microsoft.network/virtualnetworks", "microsoft.compute/virtualmachines", "microsoft.storage/storageaccounts", "microsoft.keyvault/vaults", "microsoft.authorization/locks",
		"microsoft.network/dnszones/{}", "microsoft.compute.admin/locations/quotas", "microsoft.subscriptions.admin/subscriptions", "vault secrets/{}", "vault certificates/issuers/{}"} {
		o := set.Find("PUT", typ, "")
		require.NotNil(t, o, typ)
		require.NotNil(t, o.Body, typ)
	}
	require.True(t, set.Find("PUT", "microsoft.network/virtualnetworks", "").Body.Members["properties"].Shape.Members["subnets"] != nil)
}

// FuzzClean wants no panic, and an answer that the shape takes again.
func FuzzClean(f *testing.F) {
	set, err := definition.Load(spec.Definitions, spec.Written)
	require.NoError(f, err)
	shape := set.Find("PUT", "microsoft.compute/virtualmachines", "").Body
	f.Add([]byte(`{"location":"local","properties":{"hardwareProfile":{"vmSize":"a"}}}`))
	f.Add([]byte(`[1,{"a":null}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		decoder := json.NewDecoder(strings.NewReader(string(body)))
		decoder.UseNumber()
		var v any
		if decoder.Decode(&v) != nil {
			return
		}
		cleaned, problems := shape.Clean(v)
		if len(problems) == 0 {
			_, again := shape.Clean(cleaned)
			require.Empty(t, again)
		}
	})
}
