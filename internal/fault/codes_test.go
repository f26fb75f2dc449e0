package fault

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const operations = "../../deploy/OPERATIONS.md"

var update = flag.Bool("update", false, "rewrite the table of codes in "+operations)

func TestEveryCode(t *testing.T) {
	for _, c := range Codes() {
		t.Run(string(c), func(t *testing.T) {
			require.Regexp(t, `^[A-Z]+(_[A-Z]+)*$`, string(c))
			require.True(t, c.Known())
			require.Regexp(t, `\S\.$`, c.Remedy(), "a remedy is a sentence")
			require.NotContains(t, c.Remedy(), "\n")
			require.GreaterOrEqual(t, c.Exit(), ExitFailed)
			require.LessOrEqual(t, c.Exit(), ExitTemporal)
			require.GreaterOrEqual(t, c.HTTPStatus(), 200)
			require.ErrorIs(t, fmt.Errorf("wrapped: %w", Newf(c, "x")), c)
		})
	}
}

func TestUnknownCode(t *testing.T) {
	c := Code("FROM_THE_FUTURE")
	require.False(t, c.Known())
	require.True(t, c.Retryable())
	require.Equal(t, ExitFailed, c.Exit())
	require.Empty(t, c.Remedy())
}

func TestFault(t *testing.T) {
	cause := errors.New("0xc000006d")
	f := New(ShareAuthFailed, `\\fs\x refused "u"`, cause)
	require.Equal(t, `SHARE_AUTH_FAILED: \\fs\x refused "u" (0xc000006d)`, f.Error())
	require.Equal(t, `\\fs\x refused "u" (0xc000006d)`, f.Message())
	require.True(t, strings.HasPrefix(f.Line(), f.Error()+". Check user name"))
	require.Equal(t, "USAGE: what? See --help.", Newf(Usage, "what?").Line())
	require.NotContains(t, New(Internal, "a\nb", errors.New("c\nd")).Line(), "\n")
	require.ErrorIs(t, f, cause)

	require.Equal(t, Code(""), CodeOf(nil))
	require.Equal(t, Internal, CodeOf(cause))
	require.Equal(t, ShareAuthFailed, CodeOf(fmt.Errorf("x: %w", f)))
	require.Nil(t, As(nil))
	require.Same(t, f, As(fmt.Errorf("x: %w", f)))
	require.Equal(t, Internal, As(cause).Code)
}

// The operators' table is generated from the code:
// go test ./internal/fault -update
func TestOperationsListsEveryCode(t *testing.T) {
	page, err := os.ReadFile(operations)
	require.NoError(t, err)
	between := regexp.MustCompile(`(?s)(<!-- codes -->\n).*(<!-- end of codes -->)`)
	require.Regexp(t, between, string(page))

	var table strings.Builder
	table.WriteString("| code | exit | tried again | what to do |\n|---|---|---|---|\n")
	codes := Codes()
	slices.Sort(codes)
	for _, c := range codes {
		again := "no"
		if c.Retryable() {
			again = "yes"
		}
		fmt.Fprintf(&table, "| `%s` | %d | %s | %s |\n", c, c.Exit(), again, strings.ReplaceAll(c.Remedy(), "|", `\|`))
	}
	want := between.ReplaceAllStringFunc(string(page), func(string) string {
		return "<!-- codes -->\n" + table.String() + "<!-- end of codes -->"
	})
	if *update {
		require.NoError(t, os.WriteFile(operations, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(page), "run go test ./internal/fault -update")
}
