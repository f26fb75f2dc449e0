package azure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/scan"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// ErrNotFound is in the chain of the fault that stands for the answer 404: the
// resource, or the collection, is not there.
var ErrNotFound = errors.New("not found")

// ErrVersionRefused is in the chain of the fault that says that the stamp does not
// offer the api-version that was asked for.
var ErrVersionRefused = errors.New("the stamp does not offer this api-version")

// ErrRefused is in the chain of the fault for a request that the stamp understood
// and does not allow for reasons other than permissions, such as a method that a
// collection does not have (400, 405, 409).
var ErrRefused = errors.New("refused")

// ErrNotRegistered is in the chain, beside [ErrRefused], when the subscription is not
// registered with the resource provider, so that it has nothing of it (409).
var ErrNotRegistered = fmt.Errorf("%w: the subscription is not registered with the resource provider", ErrRefused)

// ErrConflict is in the chain, beside [ErrRefused], when the state of the resource, or of
// what it is part of, does not allow the request at the moment: it is being deleted, or
// something else is done to it (409, 412, 423).
var ErrConflict = fmt.Errorf("%w: the resource is in a state that does not allow it", ErrRefused)

// ErrAnswer is in the chain of the fault for an answer with a status of success that is
// not what was asked for: no document, an error, a list that contradicts itself, or
// another resource's document. It says nothing about what was asked for.
var ErrAnswer = errors.New("the answer is not what was requested")

// ErrTooLarge is in the chain of the fault for an answer that is larger than what is taken
// of its kind.
var ErrTooLarge = errors.New("the answer is too large")

// ErrForbidden is in the chain of the fault for the answer 403.
var ErrForbidden = errors.New("forbidden")

// maxWords bounds how much of a stamp's own error text is repeated.
const maxWords = 300

// AnswerError is what a stamp said when it refused, in the chain of faults.
type AnswerError struct {
	Status  int    // HTTP status
	Code    string // the stamp's code, such as AuthorizationFailed; may be empty
	Inner   string // the more precise code of a vault, such as SecretDisabled; may be empty
	Message string // the stamp's words, shortened
	kind    error

	challenge []string // of 401
}

// Error gives status, code and words.
func (e *AnswerError) Error() string {
	text := fmt.Sprintf("answered %d", e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Unwrap returns one of the Err… values of this package, or nil.
func (e *AnswerError) Unwrap() error { return e.kind }

// SaidBy is what the stamp said in a fault's chain.
func SaidBy(err error) AnswerError {
	if said := (*AnswerError)(nil); errors.As(err, &said) {
		return *said
	}
	return AnswerError{}
}

// answerFault classifies an answer that is not a success.
func answerFault(what string, resp *http.Response, body []byte) error {
	said := &AnswerError{Status: resp.StatusCode}
	said.Code, said.Message = wordsOf(body)
	said.Inner = innerOf(body)
	f := fault.New(fault.SourceFailed, what, said)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		f.Code, said.challenge = fault.SourceAuthFailed, resp.Header.Values("WWW-Authenticate")
	case resp.StatusCode == http.StatusForbidden:
		f.Code, said.kind = fault.SourceAccessDenied, ErrForbidden
	case resp.StatusCode == http.StatusNotFound && said.Code != "InvalidResourceType" && said.Code != "NoRegisteredProviderFound":
		f.Code, said.kind = fault.SourceInvalid, ErrNotFound
	case isVersionRefusal(said.Code):
		f.Code, said.kind = fault.SourceInvalid, ErrVersionRefused
	case resp.StatusCode == http.StatusTooManyRequests:
		f.Code, f.RetryAfter = fault.SourceThrottled, retryAfter(resp)
	case resp.StatusCode == http.StatusRequestTimeout:
		f.Code = fault.SourceUnreachable
	case resp.StatusCode >= 500:
		f.RetryAfter = retryAfter(resp)
	case isUnregistered(said.Code):
		f.Code, said.kind = fault.SourceInvalid, ErrNotRegistered
	case resp.StatusCode == http.StatusGone:
		f.Code, said.kind = fault.SourceInvalid, ErrNotFound
	case resp.StatusCode == http.StatusConflict, resp.StatusCode == http.StatusPreconditionFailed, resp.StatusCode == http.StatusLocked:
		f.Code, said.kind = fault.SourceInvalid, ErrConflict
	case resp.StatusCode >= 400:
		f.Code, said.kind = fault.SourceInvalid, ErrRefused
	default: // 2xx without a document, or a redirection
		f.Code = fault.SourceInvalid
	}
	return f
}

func isUnregistered(code string) bool {
	return code == "MissingSubscriptionRegistration" || code == "SubscriptionNotRegistered" || code == "MissingRegistrationForLocation"
}

// refusalFault stands for an answer whose status says that all is well, and whose body
// that it is not.
func refusalFault(what string, status int, body []byte) error {
	said := &AnswerError{Status: status, kind: ErrAnswer}
	said.Code, said.Message = wordsOf(body)
	said.Inner = innerOf(body)
	return fault.New(fault.SourceFailed, what, said)
}

func isVersionRefusal(code string) bool {
	switch code {
	case "InvalidApiVersionParameter", "NoRegisteredProviderFound", "InvalidResourceType", "UnsupportedApiVersion", "BadParameter.api-version":
		return true
	}
	return false
}

// wordsOf reads {"error":{"code","message"}}, which resource managers and vaults
// both use.
func wordsOf(body []byte) (code, message string) {
	if scan.Document(body, refusalLimits) != nil {
		return "", ""
	}
	body = scan.Trim(body)
	e := gjson.GetBytes(body, "error")
	if e.Type == gjson.String {
		return "", shortened(e.Str)
	}
	if !e.IsObject() {
		e = gjson.ParseBytes(body)
	}
	code, message = e.Get("code").String(), e.Get("message").String()
	if len(code) > 100 {
		code = ""
	}
	return shortened(code), shortened(message)
}

// refusalLimits are those of what a refusal says.
var refusalLimits = scan.Limits{Depth: 64, Values: 10_000, Bytes: maxRefusalBytes}

func shortened(message string) string {
	message = strings.Join(strings.Fields(printable.Clip(message, maxWords)), " ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, message)
}

// innerOf reads {"error":{"innererror":{"code"}}}. The definition of vaults spells it
// so; answers also have innerError.
func innerOf(body []byte) string {
	if scan.Document(body, refusalLimits) != nil {
		return ""
	}
	for _, path := range []string{"error.innererror.code", "error.innerError.code"} {
		if code := gjson.GetBytes(body, path).String(); code != "" && len(code) <= 100 {
			return code
		}
	}
	return ""
}

// asksToWait reports whether an answer asks to wait before the next request: 429, and
// other refusals that may pass when they say for how long. 0 is for an unknown time.
func asksToWait(resp *http.Response) (time.Duration, bool) {
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests:
		return retryAfter(resp), true
	case status == http.StatusRequestTimeout, status >= 500:
		wait := retryAfter(resp)
		return wait, wait > 0
	}
	return 0, false
}

// maxRetryAfter bounds what an answer asks to wait: more is no time that makes sense.
const maxRetryAfter = 31 * 24 * time.Hour

// retryAfter is what the answer asks to wait; RFC 9110, 10.2.3 and the milliseconds that
// some Azure services send. Dates are by the clock of who answers.
func retryAfter(resp *http.Response) time.Duration {
	for name, unit := range map[string]time.Duration{"Retry-After-Ms": time.Millisecond, "X-Ms-Retry-After-Ms": time.Millisecond} {
		if n, err := strconv.ParseInt(strings.TrimSpace(resp.Header.Get(name)), 10, 64); err == nil && n > 0 {
			return time.Duration(min(n, int64(maxRetryAfter/unit))) * unit
		}
	}
	value := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 { // a fraction is no standard, and met
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		now, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			now = time.Now()
		}
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// transportFault classifies an error without an answer.
func transportFault(ctx context.Context, what string, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil {
		return fmt.Errorf("%s: %w", what, ctxErr)
	}
	if f, ok := fault.Of(err); ok {
		return f
	}
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		dns      *net.DNSError
		large    tooLarge
	)
	switch {
	case errors.As(err, &large):
		return fault.New(fault.LimitExceeded, what, large)
	case errors.Is(err, scan.ErrLimit):
		return fault.New(fault.LimitExceeded, what, scan.ErrLimit)
	case errors.As(err, &unknown), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &verify):
		return fault.New(fault.SourceTLS, what, err)
	case errors.Is(err, errRedirected):
		return fault.New(fault.SourceInvalid, what, errRedirected)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.SourceIncomplete, what+": the answer ended early", err)
	case errors.As(err, &dns):
		return fault.New(fault.SourceUnreachable, what+": the name cannot be resolved", err)
	default:
		return fault.New(fault.SourceUnreachable, what, err)
	}
}
