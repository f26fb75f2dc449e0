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

	"github.com/tidwall/gjson"

	"infrabackup/internal/fault"
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

// answerFault classifies an answer that is not a success.
func answerFault(what string, resp *http.Response, body []byte) error {
	said := &AnswerError{Status: resp.StatusCode}
	said.Code, said.Message = wordsOf(body)
	said.Inner = innerOf(body)
	f := fault.New(fault.SourceFailed, what, said)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		f.Code = fault.SourceAuthFailed
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
	case resp.StatusCode >= 400:
		f.Code, said.kind = fault.SourceInvalid, ErrRefused
	default: // 2xx without a document, or a redirection
		f.Code = fault.SourceInvalid
	}
	return f
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
	if !gjson.ValidBytes(body) {
		return "", ""
	}
	e := gjson.GetBytes(body, "error")
	if !e.IsObject() {
		e = gjson.ParseBytes(body)
	}
	code, message = e.Get("code").String(), e.Get("message").String()
	if len(message) > maxWords {
		message = strings.ToValidUTF8(message[:maxWords], "") + "…"
	}
	if len(code) > 100 {
		code = ""
	}
	return code, strings.Join(strings.Fields(message), " ")
}

// innerOf reads {"error":{"innererror":{"code"}}}. The definition of vaults spells it
// so; answers also have innerError.
func innerOf(body []byte) string {
	if !gjson.ValidBytes(body) {
		return ""
	}
	for _, path := range []string{"error.innererror.code", "error.innerError.code"} {
		if code := gjson.GetBytes(body, path).String(); code != "" && len(code) <= 100 {
			return code
		}
	}
	return ""
}

// retryAfter is what the answer asks to wait, bounded to an hour; RFC 9110, 10.2.3
// and the milliseconds that some Azure services send.
func retryAfter(resp *http.Response) time.Duration {
	wait := time.Duration(0)
	if ms, err := strconv.ParseInt(resp.Header.Get("Retry-After-Ms"), 10, 64); err == nil {
		wait = time.Duration(min(ms, int64(time.Hour/time.Millisecond))) * time.Millisecond
	} else if ms, err := strconv.ParseInt(resp.Header.Get("X-Ms-Retry-After-Ms"), 10, 64); err == nil {
		wait = time.Duration(min(ms, int64(time.Hour/time.Millisecond))) * time.Millisecond
	} else if s, err := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 64); err == nil {
		wait = time.Duration(min(s, 3600)) * time.Second
	} else if at, err := http.ParseTime(resp.Header.Get("Retry-After")); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), time.Hour)
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
