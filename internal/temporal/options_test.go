package temporal

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

func TestFromEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want Options
	}{
		"empty": {},
		"plain": {
			env:  map[string]string{"TEMPORAL_ADDRESS": "temporal.example.com:7233", "TEMPORAL_NAMESPACE": "backup"},
			want: Options{Address: "temporal.example.com:7233", Namespace: "backup"},
		},
		"mutual TLS": {
			env: map[string]string{
				"TEMPORAL_TLS_CLIENT_CERT_PATH": "/c.pem", "TEMPORAL_TLS_CLIENT_KEY_PATH": "/k.pem",
				"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/ca.pem", "TEMPORAL_TLS_SERVER_NAME": "t.example.com",
			},
			want: Options{TLS: TLS{Enabled: true, CertFile: "/c.pem", KeyFile: "/k.pem", CAFile: "/ca.pem", ServerName: "t.example.com"}},
		},
		"TLS with the system's CAs": {
			env:  map[string]string{"TEMPORAL_TLS": "true"},
			want: Options{TLS: TLS{Enabled: true}},
		},
		"TLS switched off": {
			env: map[string]string{"TEMPORAL_TLS": "false", "TEMPORAL_TLS_SERVER_NAME": "t.example.com"},
		},
		"an empty variable is an unset one": {
			env: map[string]string{"TEMPORAL_ADDRESS": " ", "TEMPORAL_TLS_SERVER_NAME": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := FromEnvironment(lookup(test.env))
			require.NoError(t, err)
			test.want.Address, test.want.Namespace = cmp.Or(test.want.Address, DefaultAddress), cmp.Or(test.want.Namespace, DefaultNamespace)
			require.Equal(t, test.want, got)
		})
	}
}

func TestFromEnvironmentAPIKey(t *testing.T) {
	got, err := FromEnvironment(lookup(map[string]string{"TEMPORAL_API_KEY": "k"}))
	require.NoError(t, err)
	require.Equal(t, "k", got.APIKey.Reveal())
	require.True(t, got.TLS.Enabled, "an API key never travels in clear")
}

func TestFromEnvironmentRefuses(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"key material":          {"TEMPORAL_TLS_CLIENT_KEY_DATA": "canary-key"},
		"certificate material":  {"TEMPORAL_TLS_CLIENT_CERT_DATA": "canary-key"},
		"CA material":           {"TEMPORAL_TLS_SERVER_CA_CERT_DATA": "canary-key"},
		"no verification":       {"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION": "true"},
		"a foreign :authority:": {"TEMPORAL_CLIENT_AUTHORITY": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromEnvironment(lookup(env))
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
