package restores

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
)

// TestWhatIsAgreedToFitsIntoAForm: steps with titles that a form cannot bring back whole are agreed
// to all at once.
func TestWhatIsAgreedToFitsIntoAForm(t *testing.T) {
	for name, test := range map[string]struct {
		steps int
		title string
		all   bool
	}{
		"as usual":              {maxNamed, strings.Repeat("x", 300), false},
		"long names in a form":  {maxNamed, strings.Repeat("п", 250), true}, // six bytes a letter
		"few of those":          {9, strings.Repeat("п", 250), false},
		"one that is not whole": {1, strings.Repeat("x", planpage.MaxTitle), true},
		"none":                  {0, "", false},
	} {
		p := &restore.Plan{}
		for n := range test.steps {
			p.Steps = append(p.Steps, restore.Step{N: n, Key: restore.Key{Service: backup.AD, Kind: "user", ID: fmt.Sprint(test.title, n)}})
		}
		require.Equal(t, test.all, tooLong(planpage.Of(p, "planned", planpage.Steps, 0, maxNamed).Steps), name)
	}
}
