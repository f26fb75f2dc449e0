package serving

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// The service goes on without a token for the first login, and says why there is none.
func TestFirstToken(t *testing.T) {
	for name, test := range map[string]struct {
		token      string
		err        error
		said, logs string
	}{
		"needed":     {token: "ibk_x", said: "There is no API token and no issuer yet. This token begins one session of an owner, within ten minutes: ibk_x"},
		"not needed": {},
		"failed":     {err: fault.Newf(fault.LimitExceeded, "the list is full"), logs: "the list is full"},
	} {
		t.Run(name, func(t *testing.T) {
			var said string
			var logs bytes.Buffer
			s := Surroundings{Say: func(format string, args ...any) { said = fmt.Sprintf(format, args...) }}
			s.sayFirstToken(t.Context(), func(context.Context) (string, error) { return test.token, test.err }, slog.New(slog.NewTextHandler(&logs, nil)))
			require.Equal(t, test.said, said)
			if test.logs == "" {
				require.Empty(t, logs.String())
				return
			}
			require.Contains(t, logs.String(), "level=WARN")
			require.Contains(t, logs.String(), test.logs)
		})
	}
}
