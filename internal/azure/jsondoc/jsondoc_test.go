package jsondoc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFullerDocumentCovers compares what documents say.
func TestFullerDocumentCovers(t *testing.T) {
	for _, test := range []struct {
		full, short string
		want        bool
	}{
		{`{"a":1,"b":{"c":[1,2]}}`, `{"b":{"c":[1,2]}}`, true},
		{`{"a":1,"b":{"c":[1,2]}}`, `{"b":{"c":[1,3]}}`, false},
		{`{"a":1}`, `{"a":1,"b":null}`, true},
		{`{"a":1}`, `{"a":1,"b":2}`, false},
		{`{"a":{}}`, `{"a":[]}`, false},
		{`{"a":`, `{}`, false},
	} {
		require.Equal(t, test.want, Covers([]byte(test.full), []byte(test.short)), "%s %s", test.full, test.short)
	}
	require.Greater(t, Weight([]byte(`{"a":"x,y:\"z","b":[1,2]}`)), Weight([]byte(`{"a":"x,y:\"z,,,,,,"}`)))
}
