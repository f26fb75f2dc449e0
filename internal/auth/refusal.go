package auth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Codes of refusals, as Azure Resource Manager names them.
const (
	CodeAuthenticationFailed = "AuthenticationFailed"
	CodeExpiredToken         = "ExpiredAuthenticationToken"
	CodeInvalidAudience      = "InvalidAuthenticationTokenAudience"
	CodeInvalidToken         = "InvalidAuthenticationToken"
	CodeAuthorizationFailed  = "AuthorizationFailed"
	CodeUnavailable          = "AuthenticationUnavailable"
)

const (
	remedyCredential = "Send an API token or a bearer token in the Authorization header, or connect with a client certificate."
	remedyNewToken   = "Get a new token, and send the request again."
)

// Refusal says why a caller is not let through, with all that an answer needs. It holds
// nothing of the credential.
type Refusal struct {
	Status  int    // of HTTP
	Code    string // for error.code
	Message string // one or more sentences
	Remedy  string // what to do
	// Challenge is the value of WWW-Authenticate, empty for none.
	Challenge string
	// RetryAfter says when trying again can help, zero when it cannot.
	RetryAfter time.Duration
	// Err is the cause underneath, for the log; nil when there is none.
	Err error
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Err == nil {
		return r.Code + ": " + r.Message
	}
	return fmt.Sprintf("%s: %s (%s)", r.Code, r.Message, r.Err)
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// RefusalOf finds the refusal in err's chain.
func RefusalOf(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

func unauthorized(code, message string, cause error) *Refusal {
	remedy := remedyNewToken
	if code == CodeAuthenticationFailed {
		remedy = remedyCredential
	}
	return &Refusal{Status: http.StatusUnauthorized, Code: code, Message: message, Remedy: remedy, Err: cause}
}

// unavailable is a refusal that says nothing about the credential: it could not be examined.
func unavailable(message, remedy string, cause error) *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Code: CodeUnavailable, Message: message, Remedy: remedy, RetryAfter: refetchEvery, Err: cause}
}

// challenge is the value of WWW-Authenticate (RFC 6750), in the form that Azure's clients
// read where to log in from.
func challenge(authorizationURI string, r *Refusal) string {
	parameter := `realm="infrabackup"`
	if authorizationURI != "" {
		parameter = fmt.Sprintf("authorization_uri=%s", quoted(authorizationURI))
	}
	return fmt.Sprintf(`Bearer %s, error="invalid_token", error_description=%s`, parameter, quoted(r.Message))
}

// quoted is a quoted-string of RFC 9110, without what such a string cannot hold.
func quoted(s string) string {
	return `"` + strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r > '~':
			return '?'
		case r == '"' || r == '\\':
			return '\''
		}
		return r
	}, s) + `"`
}
