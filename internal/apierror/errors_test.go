package apierror

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
	"time"

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

// TestTheFormOfErrors has every member in every error, as clients of Resource Manager want it.
func TestTheFormOfErrors(t *testing.T) {
	w := httptest.NewRecorder()
	(&Error{Status: http.StatusConflict, Code: "BackupConflict", Message: "A backup runs.", Target: "properties.path", Remedy: "Wait.", RetryAfter: 1500 * time.Millisecond, Allow: "GET"}).Write(w)
	require.JSONEq(t, `{"error":{"code":"BackupConflict","message":"A backup runs.","target":"properties.path","details":[],"additionalInfo":[{"type":"Remedy","info":{"remedy":"Wait."}}]}}`, w.Body.String())
	require.Equal(t, http.StatusConflict, w.Code)
	require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))
	require.Equal(t, "2", w.Header().Get("Retry-After"), "whole seconds, and none too early")
	require.Equal(t, "GET", w.Header().Get("Allow"))
	w = httptest.NewRecorder()
	NotFound(`<No "such" thing>`).Write(w)
	var body Body
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
	require.Equal(t, `<No "such" thing>`, body.Error.Message)
	require.Contains(t, w.Body.String(), `"target":null,"details":[]`)
	require.Equal(t, http.StatusRequestEntityTooLarge, TooLong(7).Status)
	require.Contains(t, TooLong(7).Message, "7 bytes")
}
