package maintenance

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// FuzzRun: whatever a stamp calls a run, an update is only reported by one that can go on now.
func FuzzRun(f *testing.F) {
	now := time.Date(2027, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, text := range []string{
		`{"name":"r","properties":{"state":"InProgress","timeStarted":"2027-05-04T11:00:00Z"}}`, `{"name":"a/b","Properties":{"STATE":"inprogress","timeStarted":"0001-01-01T00:00:00Z"}}`,
		`{"name":"r","properties":{"state":"InProgress","timeStarted":"9999-12-31T23:59:59+23:59"}}`, `{"name":7,"properties":[]}`, `[]`, `null`, `"`, ``,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := look{now: now}
		element := gjson.Parse(text)
		err := l.run("u", element)
		if l.found == "" {
			return
		}
		require.NoError(t, err)
		_, since, ok := strings.Cut(l.found, " since ")
		require.True(t, ok)
		at, err := time.Parse(time.RFC3339, since[strings.LastIndexByte(since, ' ')+1:])
		require.NoError(t, err)
		require.WithinRange(t, at, now.Add(-longestRun-time.Second), now.Add(clocksApart))
	})
}
