package restores

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore/planpage"
	"infrabackup/internal/secret"
)

// TestCheck: what this product does not send is refused.
func TestCheck(t *testing.T) {
	id, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	key := secret.NewTransfer(secret.New("key"))
	page := func(change func(*Input)) Input {
		in := Input{Instance: "local", PlanID: id, Keys: map[string]secret.Transfer{id: key}, Section: planpage.Steps, Count: 1}
		change(&in)
		return in
	}
	require.NoError(t, page(func(*Input) {}).Check("local"))
	require.NoError(t, Input{Instance: "local"}.Check("local"))
	require.NoError(t, Input{Instance: "local", Keys: map[string]secret.Transfer{id: key, other: key}}.Check("local"))
	for name, change := range map[string]func(*Input){
		"another instance": func(in *Input) { in.Instance = "other" },
		"no key":           func(in *Input) { in.Keys = nil },
		"another's key":    func(in *Input) { in.Keys = map[string]secret.Transfer{other: key} },
		"a key more":       func(in *Input) { in.Keys[other] = key },
		"an empty key":     func(in *Input) { in.Keys[id] = secret.Transfer{} },
		"a long key":       func(in *Input) { in.Keys[id] = secret.NewTransfer(secret.New(strings.Repeat("k", maxKeyText+1))) },
		"a folder":         func(in *Input) { in.PlanID, in.Keys = "../x", map[string]secret.Transfer{"../x": key} },
		"no section":       func(in *Input) { in.Section = "values" },
		"before the first": func(in *Input) { in.From = -1 },
		"no rows":          func(in *Input) { in.Count = 0 },
		"too many rows":    func(in *Input) { in.Count = planpage.MaxRows + 1 },
	} {
		require.ErrorIs(t, page(change).Check("local"), fault.RequestRefused, name)
	}
	many := Input{Instance: "local", Keys: map[string]secret.Transfer{}}
	for i := range MaxKeys + 1 {
		many.Keys[strings.Repeat("0", 60)+strings.Repeat(string(rune('0'+i%10)), 2)+strings.Repeat(string(rune('0'+i/10)), 2)] = key
	}
	require.Len(t, many.Keys, MaxKeys+1)
	require.ErrorIs(t, many.Check("local"), fault.RequestRefused)
}
