package manager

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
)

// TestEachVersion: the version that was chosen, then the known ones, newest first, then
// what the refusal names; each once.
func TestEachVersion(t *testing.T) {
	refused := errors.Join(azure.ErrVersionRefused, &azure.AnswerError{Message: "The supported api-versions are '2014-01-01,2019-10-01, 2021-05-01-preview'."})
	for name, test := range map[string]struct {
		takes string
		tried []string
	}{
		"the first": {"2018-05-01", []string{"2018-05-01"}},
		"a known":   {"2016-06-01", []string{"2018-05-01", "2019-10-01", "2016-06-01"}},
		"a named":   {"2014-01-01", []string{"2018-05-01", "2019-10-01", "2016-06-01", "2021-05-01-preview", "2014-01-01"}},
		"none":      {"", []string{"2018-05-01", "2019-10-01", "2016-06-01", "2021-05-01-preview", "2014-01-01"}},
	} {
		t.Run(name, func(t *testing.T) {
			var tried []string
			err := EachVersion("2018-05-01", []string{"2016-06-01", "2019-10-01", "2018-05-01"}, func(version string) error {
				tried = append(tried, version)
				if version == test.takes {
					return nil
				}
				return refused
			})
			require.Equal(t, test.tried, tried)
			require.Equal(t, test.takes == "", err != nil)
		})
	}
	other := errors.New("lost")
	require.Equal(t, other, EachVersion("2018-05-01", []string{"2016-06-01"}, func(string) error { return other }), "other errors end it")
}
