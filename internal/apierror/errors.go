package apierror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// Error is an answer that is an error.
type Error struct {
	Status                int
	Code, Message, Target string
	Remedy                string
	Info                  []Info
	RetryAfter            time.Duration
	Allow                 string // methods, of a 405
	Challenge             string // WWW-Authenticate, of a 401
	// Cause is for the log; no answer has it.
	Cause error
}

// Unwrap returns the cause.
func (f *Error) Unwrap() error { return f.Cause }

// Error implements error.
func (f *Error) Error() string { return f.Code + ": " + f.Message }

// MediaType is that of errors and of all answers to GET.
const MediaType = "application/json; charset=utf-8"

// Body is the error of Azure Resource Manager; all its members are always there.
type Body struct {
	Error Detail `json:"error"`
}

// Detail is what is within.
type Detail struct {
	Code           string   `json:"code"`
	Message        string   `json:"message"`
	Target         *string  `json:"target"`
	Details        []Detail `json:"details"`
	AdditionalInfo []Info   `json:"additionalInfo"`
}

// Info is something more about an error, in a form that its type names.
type Info struct {
	Type string `json:"type"`
	Info any    `json:"info"`
}

// RemedyInfo is the info of type Remedy.
type RemedyInfo struct {
	Remedy string `json:"remedy"`
}

// Running is the info of type RunningOperation: what is in the way.
type Running struct {
	ID       string `json:"id"`
	Location string `json:"location"`
}

// Detail is the error as bodies have it.
func (f *Error) Detail() Detail {
	d := Detail{Code: f.Code, Message: f.Message, Details: []Detail{}, AdditionalInfo: []Info{}}
	if f.Target != "" {
		d.Target = &f.Target
	}
	if f.Remedy != "" {
		d.AdditionalInfo = append(d.AdditionalInfo, Info{Type: "Remedy", Info: RemedyInfo{f.Remedy}})
	}
	d.AdditionalInfo = append(d.AdditionalInfo, f.Info...)
	return d
}

// Write answers with the error.
func (f *Error) Write(w http.ResponseWriter) {
	data, err := json.Marshal(Body{f.Detail()})
	if err != nil { // texts and numbers, which always can be
		http.Error(w, http.StatusText(f.Status), f.Status)
		return
	}
	header := w.Header()
	header.Set("Content-Type", MediaType)
	header.Set("Content-Length", strconv.Itoa(len(data)))
	if f.RetryAfter > 0 {
		header.Set("Retry-After", Seconds(f.RetryAfter))
	}
	if f.Allow != "" {
		header.Set("Allow", f.Allow)
	}
	if f.Challenge != "" {
		header.Set("WWW-Authenticate", f.Challenge)
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write(data) // the client may be gone
}

// Seconds writes a Retry-After.
func Seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }

// Quoted shows what a caller sent within a sentence.
func Quoted(text string) string { return "'" + printable.Clip(printable.Text(text), 100) + "'" }

// NotFound says that an address names nothing.
func NotFound(message string) *Error {
	return &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: message, Remedy: "Compare the names in the address with what a list of them shows."}
}

// BadValue refuses what a caller sent in the member or parameter that target names.
func BadValue(code, target, message, remedy string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Target: target, Message: message, Remedy: remedy}
}

// Content says what is wrong with the body, or with a member of it.
func Content(target, what string) *Error {
	subject := "The body of the request"
	if target != "" {
		subject = "The member " + Quoted(target)
	}
	return BadValue(CodeContent, clip(target), subject+" "+what+"; nothing was changed.", "Correct the request and send it again.")
}

// TooLong refuses a body of more bytes than limit.
func TooLong(limit int64) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestContentTooLarge",
		Message: fmt.Sprintf("The body of the request has more than %d bytes.", limit), Remedy: "Send a shorter body."}
}

func clip(target string) string { return strings.Trim(Quoted(target), "'") }

// Codes of errors that several places answer with.
const (
	CodeInternal      = "InternalServerError"
	CodeContent       = "InvalidRequestContent"
	CodeConflict      = "BackupConflict"
	CodeNotConfigured = "ExternalStoreNotConfigured"
)

// WaitWhenAway is how long to wait for Temporal or a worker.
const WaitWhenAway = 10 * time.Second

// Away reports whether an error only says that nothing could be found out, or begun, at the
// moment.
func Away(err error) bool {
	return errors.Is(err, fault.NoWorker) || errors.Is(err, fault.TemporalUnreachable) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// AtRequest is the Error of an operation that could not be begun. Clients repeat a request,
// also a POST, that is answered with a 5xx; only where nothing was begun and waiting helps is
// that what they should do.
func AtRequest(err error) *Error {
	f := ofFault(fault.As(err))
	switch {
	case Away(err):
		f.Status, f.RetryAfter = http.StatusServiceUnavailable, WaitWhenAway
	case f.Code == CodeInternal:
		f.Status = http.StatusInternalServerError
	case f.Status == http.StatusTooManyRequests:
		f.RetryAfter = WaitWhenAway
	case f.Status < 400 || f.Status > 499:
		f.Status = http.StatusConflict
	}
	return f
}

// OfOperation is the Error of an operation that was begun. Pollers take 408, 429 and most of
// 5xx as "ask again", for ever, so none of these tells them of an end.
func OfOperation(err error) *Error {
	f := ofFault(fault.As(err))
	if f.Status < 400 || f.Status > 499 || f.Status == http.StatusRequestTimeout || f.Status == http.StatusTooManyRequests {
		f.Status = http.StatusConflict
	}
	f.RetryAfter = 0
	return f
}

// codes are those that Azure has a name for; the others are derived from the fault's.
var codes = map[fault.Code]string{
	fault.Internal:      CodeInternal,
	fault.Usage:         CodeContent,
	fault.BackupRunning: CodeConflict,
	fault.ChangeRunning: CodeConflict,
	fault.RewrapRunning: CodeConflict,
	fault.NotEnabled:    CodeNotConfigured,
}

// CodeName writes SHARE_UNREACHABLE as ShareUnreachable.
func CodeName(code fault.Code) string {
	if name, ok := codes[code]; ok {
		return name
	}
	var b strings.Builder
	for word := range strings.SplitSeq(string(code), "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + strings.ToLower(word[1:]))
		}
	}
	if b.Len() == 0 {
		return CodeInternal
	}
	return b.String()
}

func ofFault(f *fault.Fault) *Error {
	out := &Error{Status: f.Code.HTTPStatus(), Code: CodeName(f.Code), Message: printable.Text(f.Message()), Remedy: Remedy(f), Cause: f}
	switch f.Code {
	case fault.Internal:
		out.Message = "The request or operation failed for a reason that nothing foresees." // its words are for the log
	case fault.NotEnabled:
		out.Status = http.StatusConflict
	}
	return out
}
