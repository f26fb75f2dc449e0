package operator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
)

func TestNamesOfABackup(t *testing.T) {
	const id = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"
	for text, want := range map[string]string{
		id: id, strings.ToUpper(id): id, "0B1F": "0b1f", "0b1f4c2e-5a": "0b1f4c2e-5a",
		"20261122T083000Z_" + id:                      id,
		"local/backups/20261122T083000Z_" + id + "/":  id,
		`\\fs\x\local\backups\20261122T083000Z_` + id: id,
		"0b": "", "": "", "zzzz": "", "yesterday": "", id + "0": "", "20261122T083000Z_0b1f": "",
	} {
		got, err := operator.ParseName(text)
		if want == "" {
			require.ErrorIs(t, err, fault.Usage, text)
		} else {
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
}

func TestNamesBeforeTheNewest(t *testing.T) {
	for text, want := range map[string]int{"latest": 0, "latest~0": 0, "latest~1": 1, "LATEST~12": 12, "0b1f": -1, "latest~": -2, "latest~-1": -2, "latest~99999": -2, "latest~1x": -2} {
		name, before, err := operator.ParseNth(text)
		switch {
		case want == -2:
			require.ErrorIs(t, err, fault.Usage, text)
		case want == -1:
			require.NoError(t, err)
			require.Equal(t, "0b1f", name)
			require.Zero(t, before)
		default:
			require.NoError(t, err)
			require.Equal(t, "latest", name)
			require.Equal(t, want, before)
		}
	}
}
