package prompt_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/ui/prompt"
)

func TestAsk(t *testing.T) {
	for answer, code := range map[string]fault.Code{"yes\n": "", " yes \r\n": "", "yes": "", "y\n": fault.Cancelled, "": fault.Cancelled, "YES\n": fault.Cancelled} {
		var out strings.Builder
		err := prompt.Prompt{In: strings.NewReader(answer), Out: &out}.Ask(t.Context(), "Deleting a\x1b cannot be undone.", "yes")
		require.Equal(t, code, fault.CodeOf(err), "%q", answer)
		require.Equal(t, `Deleting a\x1b cannot be undone. Type yes to go on: `, out.String())
	}
}

// TestLineEndsWithItsContext: nobody answers.
func TestLineEndsWithItsContext(t *testing.T) {
	in, keyboard := io.Pipe()
	defer func() { require.NoError(t, keyboard.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := prompt.Prompt{In: in}.Line(ctx)
	require.ErrorIs(t, err, context.Canceled)
	var out strings.Builder
	require.ErrorIs(t, prompt.Prompt{In: in, Out: &out}.Ask(ctx, "Really?", "yes"), fault.Cancelled)
	require.False(t, prompt.IsTerminal(in))
}
