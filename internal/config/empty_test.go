package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// A key that stands there without a value means something to whoever wrote it, and is not
// taken for one that was left out.
func TestEmptySectionsAndKeysAreRefused(t *testing.T) {
	for name, lines := range map[string]string{
		"sources.azure":           "  azure:\n",
		"sources.azure, null":     "  azure: null\n",
		"sources.azure, tilde":    "  azure: ~\n",
		"sources.azure, comments": "  azure:\n    # managementUrl: https://management.local.azurestack.test\n",
		"sources.ad":              "  ad:\n",
		"temporal":                "temporal:\n",
		"limits":                  "limits:\n",
		"limits.stopTimeout":      "limits:\n  stopTimeout:\n",
		"log":                     "log:\n",
		"log.level":               "log:\n  level:\n",
		"host":                    "host:\n",
		"temporal.tls":            "temporal:\n  tls:\n",
		"temporal.apiKeyFile":     "temporal:\n  apiKeyFile:\n",
		"temporal.tls.caFile":     "temporal:\n  tls:\n    caFile: ~\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode("w.yaml", []byte(minimal+lines), "/etc", hostname)
			require.ErrorIs(t, err, fault.ConfigInvalid)
			key, _, _ := strings.Cut(name, ",")
			require.ErrorContains(t, err, key+": missing: the key is there without a value")
		})
	}
	_, err := Decode("w.yaml", []byte(minimal+"  azure: {}\n"), "/etc", hostname)
	require.ErrorContains(t, err, "sources.azure.managementUrl: missing")
	_, err = Decode("w.yaml", []byte(strings.Replace(minimal, "  ca:\n    dir: CA\n", "", 1)), "/etc", hostname)
	require.ErrorContains(t, err, "sources: missing", "nothing is left of the sources")
}
