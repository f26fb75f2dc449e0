package apierror

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// TestRemediesNameNoCommand: callers of the API have no command line.
func TestRemediesNameNoCommand(t *testing.T) {
	command := regexp.MustCompile("`|--[a-z]|(?i)infrabackup|[A-Z][a-z]+-[A-Z][a-zA-Z]+ -|\\bsmb encrypt\\b|_FILE\\b|=")
	for _, code := range fault.Codes() {
		f := fault.Newf(code, "x")
		require.NotEmpty(t, Remedy(f), code)
		require.NotRegexp(t, command, Remedy(f), code)
		f.Advice = "Run `infrabackup enable` with --adopt."
		require.NotRegexp(t, command, Remedy(f), code)
		f.Advice = "Start the server."
		require.Equal(t, "Start the server.", Remedy(f))
	}
	for code := range remedies {
		require.True(t, code.Known(), code)
	}
	require.True(t, command.MatchString("See `infrabackup backup list`."), "it can fail")
}

func TestCodesArePascalCase(t *testing.T) {
	seen := map[string]fault.Code{}
	for _, code := range fault.Codes() {
		name := CodeName(code)
		require.Regexp(t, `^([A-Z][a-z]+)+$`, name)
		if other, twice := seen[name]; twice {
			require.Equal(t, CodeConflict, name, "%s and %s", code, other)
		}
		seen[name] = code
		require.NotEqual(t, "MissingSubscriptionRegistration", name, "clients would register")
	}
	require.Equal(t, "ShareUnreachable", CodeName(fault.ShareUnreachable))
	require.Equal(t, CodeInternal, CodeName(""))
}

func TestStatuses(t *testing.T) {
	for _, code := range append(fault.Codes(), "NEVER_HEARD_OF") {
		end := OfOperation(fault.Newf(code, "x"))
		require.GreaterOrEqual(t, end.Status, 400, code)
		require.Less(t, end.Status, 500, code)
		require.NotContains(t, []int{408, 429}, end.Status, code)
		at := AtRequest(fault.Newf(code, "x"))
		require.NotContains(t, []int{408, 502, 504}, at.Status, code)
	}
	require.Equal(t, http.StatusServiceUnavailable, AtRequest(context.DeadlineExceeded).Status)
	secret := errors.New("what no caller is to read")
	f := AtRequest(secret)
	require.Equal(t, 500, f.Status)
	require.NotContains(t, f.Message, "caller")
	require.ErrorIs(t, f, secret)
}
