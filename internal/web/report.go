package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"infrabackup/internal/auth"
	"infrabackup/internal/printable"
)

const (
	maxLoggedPath  = 512
	maxLoggedStack = 16 << 10
)

// recovered answers for a handler that has panicked, when nothing was answered yet. The value
// is logged when it is the runtime's own: another may hold what a request brought.
func (s *Server) recovered(w *recorder, r *http.Request, id ids, failure any) (answered bool) {
	if failure == http.ErrAbortHandler {
		return false
	}
	what := fmt.Sprintf("%T", failure)
	var own runtime.Error
	if err, ok := failure.(error); ok && errors.As(err, &own) {
		what = own.Error()
	}
	s.config.Logger.ErrorContext(r.Context(), "a handler has panicked", "requestId", id.request, "panic", printable.Line(what, 256), "stack", printable.Clip(string(debug.Stack()), maxLoggedStack))
	if w.status != 0 {
		return false
	}
	refuse(w, r, failed())
	return true
}

// report writes the access log and, for every change, every look at who is let in and every
// refusal, the audit line.
func (s *Server) report(w *recorder, r *http.Request, id ids, noted auth.Noted, took time.Duration) {
	if w.status == 0 {
		w.status = http.StatusOK // nothing was written, which is an empty answer
	}
	var refused *auth.Refusal
	if w.status == http.StatusUnauthorized || errors.As(noted.Failure, &refused) && refused.Status == http.StatusUnauthorized {
		s.refusals.take(client(r.RemoteAddr))
	}
	if noted.Principal.IsZero() && (w.status >= http.StatusBadRequest || noted.Failure != nil) {
		if !s.noise.AllowN(s.config.Now(), 1) {
			s.suppressed.Add(1)
			return
		}
	}
	if n := s.suppressed.Swap(0); n > 0 {
		s.config.Logger.WarnContext(r.Context(), "requests without a credential were refused and not logged one by one", "count", n)
	}
	path := printable.Clip(printable.Text(auth.HideTokens(r.URL.Path)), maxLoggedPath)
	common := []any{"method", printable.Plain(r.Method, 16), "path", path, "status", w.status, "who", noted.Principal.Subject, "requestId", id.request, "correlationId", id.correlation, "remote", r.RemoteAddr}
	s.config.Logger.InfoContext(r.Context(), "request", append(common, "clientRequestId", id.client, "bytes", w.bytes, "milliseconds", float64(took.Microseconds())/1000)...)
	result, audited := resultOf(w.status), !reading(r) || noted.Login || noted.Action == auth.ManageTokens
	switch {
	case noted.Failure != nil:
		result, audited = "refused", true
	case result == "refused":
		audited = true
	}
	if !audited {
		return
	}
	attributes := append(common, "name", noted.Principal.Name, "how", noted.Principal.Method, "action", string(noted.Action), "scope", path, "result", result)
	if noted.Object != "" {
		attributes = append(attributes, "object", noted.Object)
	}
	if noted.Failure != nil {
		attributes = append(attributes, "reason", printable.Line(printable.Text(noted.Failure.Error()), 512))
	}
	level := slog.LevelInfo
	if result != "succeeded" {
		level = slog.LevelWarn
	}
	s.config.Logger.Log(r.Context(), level, "audit", attributes...)
}

func resultOf(status int) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusMisdirectedRequest, status == http.StatusTooManyRequests:
		return "refused"
	case status >= http.StatusBadRequest:
		return "failed"
	}
	return "succeeded"
}
