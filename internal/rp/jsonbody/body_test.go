package jsonbody

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/apierror"
)

func TestParse(t *testing.T) {
	for body, target := range map[string]string{
		`{"a":{"b":1,"B":2}}`: "a.B", `{"a":1}x`: "", `{"a":1} {}`: "", `[]`: "", `"a"`: "", ``: "", `{"a":`: "a", `{"a" 1}`: "a", `{"a":[1,{"b":1,"b":1}]}`: "a.[].b",
		"{\"a\":\"\xff\"}": "", strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17): strings.TrimSuffix(strings.Repeat("a.", 16), "."),
		`{"a":[` + strings.TrimSuffix(strings.Repeat("1,", 300), ",") + `]}`: "",
	} {
		_, err := Parse([]byte(body))
		var e *apierror.Error
		require.True(t, errors.As(err, &e), body)
		require.Equal(t, 400, e.Status)
		require.Equal(t, target, e.Target, body)
	}
	o, err := Parse([]byte(` {"Name":"x","n":1,"list":[true,null],"o":{}} `))
	require.NoError(t, err)
	require.Equal(t, Field{"Name", "x"}, o["name"])
	require.Equal(t, json.Number("1"), o["n"].Value)
	require.NoError(t, o.Only("", "NAME", "n", "list", "O", "other"))
	require.Error(t, o.Only("", "name"))
	s, err := String(o, "name", "")
	require.NoError(t, err)
	require.Equal(t, "x", s)
	_, err = String(o, "n", "top")
	require.ErrorContains(t, err, "top.n")
}

// FuzzParse wants that what is taken is JSON, and that all of it was taken.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,"x",null,true]}}`))
	f.Add([]byte(`{"a":1,"A":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := Parse(data)
		if err != nil {
			var e *apierror.Error
			require.True(t, errors.As(err, &e))
			require.LessOrEqual(t, len(e.Target), 400)
			return
		}
		var m map[string]any
		require.NoError(t, json.Unmarshal(data, &m))
		require.Len(t, o, len(m))
	})
}
