package rows_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/rp/rows"
)

func TestOf(t *testing.T) {
	for query, want := range map[string][2]int{"": {0, 100}, "from=7": {7, 100}, "count=1&from=9": {9, 1}, "from=&count=": {0, 100}, "count=500": {0, 500}} {
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		from, count, err := rows.Of(values, 9, 500)
		require.NoError(t, err, query)
		require.Equal(t, want, [2]int{from, count}, query)
	}
	_, count, err := rows.Of(nil, 9, 50)
	require.NoError(t, err)
	require.Equal(t, 50, count, "never more than there may be")
	for _, query := range []string{"from=10", "from=-1", "from=x", "count=0", "count=501", "count=1.5", "count=99999999999999999999"} {
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		_, _, err = rows.Of(values, 9, 500)
		require.Error(t, err, query)
	}
}
