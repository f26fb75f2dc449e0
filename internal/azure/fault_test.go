package azure

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

func TestAnswerFault(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		header http.Header
		body   string
		code   fault.Code
		is     error
		wait   time.Duration
	}{
		"bad token":             {401, nil, `{"error":{"code":"InvalidAuthenticationToken"}}`, fault.SourceAuthFailed, nil, 0},
		"forbidden":             {403, nil, `{"error":{"code":"AuthorizationFailed","message":"no action"}}`, fault.SourceAccessDenied, ErrForbidden, 0},
		"not there":             {404, nil, `{"error":{"code":"ResourceNotFound"}}`, fault.SourceInvalid, ErrNotFound, 0},
		"no such type":          {404, nil, `{"error":{"code":"InvalidResourceType"}}`, fault.SourceInvalid, ErrVersionRefused, 0},
		"no such version":       {400, nil, `{"error":{"code":"InvalidApiVersionParameter"}}`, fault.SourceInvalid, ErrVersionRefused, 0},
		"bad request":           {400, nil, `not json`, fault.SourceInvalid, ErrRefused, 0},
		"no such method":        {405, nil, ``, fault.SourceInvalid, ErrRefused, 0},
		"throttled":             {429, http.Header{"Retry-After": {"120"}}, ``, fault.SourceThrottled, nil, 2 * time.Minute},
		"throttled for days":    {429, http.Header{"Retry-After": {"999999"}}, ``, fault.SourceThrottled, nil, 999999 * time.Second},
		"throttled for ms":      {429, http.Header{"Retry-After-Ms": {"1500"}}, ``, fault.SourceThrottled, nil, 1500 * time.Millisecond},
		"throttled in the past": {429, http.Header{"Retry-After": {"Mon, 02 Jan 2006 15:04:05 GMT"}}, ``, fault.SourceThrottled, nil, 0},
		"down for a while":      {503, http.Header{"Retry-After": {"60"}}, ``, fault.SourceFailed, nil, time.Minute},
		"broken":                {500, nil, `{"code":"Boom"}`, fault.SourceFailed, nil, 0},
		"accepted":              {202, nil, ``, fault.SourceInvalid, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			header := test.header
			if header == nil {
				header = http.Header{}
			}
			err := answerFault("read x", &http.Response{StatusCode: test.status, Header: header}, []byte(test.body))
			f, ok := fault.Of(err)
			require.True(t, ok)
			require.Equal(t, test.code, f.Code)
			require.Equal(t, test.wait, f.RetryAfter)
			for _, kind := range []error{ErrForbidden, ErrNotFound, ErrVersionRefused, ErrRefused} {
				require.Equal(t, kind == test.is, errors.Is(err, kind), "%v", kind)
			}
		})
	}
	long := answerFault("x", &http.Response{StatusCode: 400}, []byte(`{"error":{"message":"`+strings.Repeat("a", 10_000)+`"}}`))
	require.Less(t, len(long.Error()), 2*maxWords)
}

func TestTransportFault(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		code fault.Code
	}{
		"half a body":      {io.ErrUnexpectedEOF, fault.SourceIncomplete},
		"refused":          {&net.OpError{Op: "dial", Err: errors.New("refused")}, fault.SourceUnreachable},
		"no such name":     {&net.DNSError{Err: "no such host", IsNotFound: true}, fault.SourceUnreachable},
		"unknown CA":       {x509.UnknownAuthorityError{}, fault.SourceTLS},
		"redirected":       {errRedirected, fault.SourceInvalid},
		"too large":        {tooLarge(7), fault.LimitExceeded},
		"timeout":          {context.DeadlineExceeded, fault.SourceUnreachable},
		"a fault below":    {final(fault.Newf(fault.SourceAuthFailed, "x")), fault.SourceAuthFailed},
		"an unknown error": {errors.New("?"), fault.SourceUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.code, fault.CodeOf(transportFault(t.Context(), "read x", test.err)))
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := transportFault(ctx, "read x", errors.New("closed"))
	require.ErrorIs(t, err, context.Canceled)
	_, isFault := fault.Of(err)
	require.False(t, isFault)
}

func TestParseChallenge(t *testing.T) {
	for name, test := range map[string]struct {
		headers             []string
		authority, resource string
	}{
		"a vault's":     {[]string{`Bearer authorization="https://adfs.x/adfs", resource="https://vault.adfs.x/guid"`}, "https://adfs.x/adfs", "https://vault.adfs.x/guid"},
		"with a scope":  {[]string{`bearer authorization="https://a/t", scope="https://v/.default"`}, "https://a/t", "https://v"},
		"second header": {[]string{`Basic realm="x"`, `Bearer authorization_uri="https://a", resource="https://v"`}, "https://a", "https://v"},
		"half":          {[]string{`Bearer authorization="https://a"`}, "", ""},
		"unquoted":      {[]string{`Bearer authorization=https://a, resource=https://v`}, "", ""},
		"nothing":       {nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			authority, resource := parseChallenge(test.headers)
			require.Equal(t, test.authority, authority)
			require.Equal(t, test.resource, resource)
		})
	}
}

func FuzzParseChallenge(f *testing.F) {
	f.Add(`Bearer authorization="https://a", resource="https://v"`)
	f.Add(`Bearer ="", ""=`)
	f.Fuzz(func(t *testing.T, header string) {
		authority, resource := parseChallenge([]string{header})
		require.Equal(t, authority == "", resource == "")
	})
}

func TestRooted(t *testing.T) {
	for in, want := range map[string]string{
		"https://management.adfs.azurestack.test/8f3c": "https://vault.adfs.azurestack.test/8f3c",
		"https://management.x":                         "https://vault.x",
	} {
		got, ok := rooted(in, "vault")
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"https://management/x", "http://management.x", ""} {
		_, ok := rooted(in, "vault")
		require.False(t, ok, in)
	}
}
