package resource

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzAppendString compares with encoding/json.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "Microsoft.Compute/virtualMachines", "2019-12-01", `a"b`, `a\b`, "a<b>&c", "a\nb", "a\x7fb", "ü", "\u2028", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		require.NoError(t, err)
		require.Equal(t, "x"+string(want), string(appendString([]byte("x"), s)))
	})
}

func TestEnvelopeKeepsBytes(t *testing.T) {
	for _, document := range []string{`{"id":1}`, "{\"id\":\n1}", "{\"id\":\r1}", `{"id": "\u00e4ä"}`, ` {"id":1}`, `{"id":1} `, "\t{}", "\ufeff{}", "{\"id\":\"\xff\"}", "\r\n{}\r\n"} {
		line := appendEnvelope(nil, Resource{Endpoint: "tenant", Type: "A/b", Version: "2020-01-01", Document: []byte(document)})
		require.NotContains(t, string(line), "\n")
		require.NotContains(t, string(line), "\r")
		require.True(t, utf8.Valid(line))
		var e Envelope
		require.NoError(t, json.Unmarshal(line, &e))
		require.Equal(t, document, string(e.Bytes()))
		require.Equal(t, "A/b", e.Type)
	}
}
