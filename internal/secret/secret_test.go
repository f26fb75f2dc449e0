package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNothingPrints(t *testing.T) {
	const canary = "canary-value"
	var logged bytes.Buffer
	for _, s := range []any{New(canary), NewTransfer(New(canary)), []String{New(canary)}, struct{ P String }{New(canary)}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			require.NotContains(t, fmt.Sprintf(verb, s), "canary")
			require.NotContains(t, fmt.Sprintf(verb, s), fmt.Sprintf("%x", canary))
		}
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "s", s)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "s", s)
	}
	require.NotContains(t, logged.String(), "canary")
	require.NotContains(t, fmt.Errorf("refused %v", New(canary)).Error(), "canary")
}

func TestStringIsNotMarshalled(t *testing.T) {
	_, err := json.Marshal(New("x"))
	require.Error(t, err)
	_, err = json.Marshal(map[string]String{"a": New("x")})
	require.Error(t, err)
}

func TestTransfer(t *testing.T) {
	for _, value := range []string{"", "pass", "\"\\\u2028<&>пароль", "\x00\x01"} {
		data, err := json.Marshal(NewTransfer(New(value)))
		require.NoError(t, err)
		var got Transfer
		require.NoError(t, json.Unmarshal(data, &got))
		require.Equal(t, value, got.Reveal())
		require.Equal(t, value == "", got.IsZero())
	}
	_, err := json.Marshal(NewTransfer(New("canary\xff")))
	require.Error(t, err, "JSON would change it")
	require.NotContains(t, err.Error(), "canary")

	var got Transfer
	err = json.Unmarshal([]byte(`{"canary":1}`), &got)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
}

// TestFieldsThatAreNotExported: fmt calls no methods there, so the type has to be
// silent without them.
func TestFieldsThatAreNotExported(t *testing.T) {
	holder := struct {
		inner String
		moved Transfer
	}{New("canary"), NewTransfer(New("canary"))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		printed := fmt.Sprintf(verb, holder)
		require.NotContains(t, printed, "canary")
		require.NotContains(t, strings.ToLower(printed), "63616e617279")
	}
	require.True(t, holder.inner == New("canary") && holder.inner != New("other"))
	require.True(t, New("").IsZero())
}
