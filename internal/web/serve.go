package web

import (
	"context"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"infrabackup/internal/apierror"
	"infrabackup/internal/auth"
)

// apiPaths are the first parts of what goes to the API.
var apiPaths = []string{"/subscriptions", "/providers", "/metadata", "/api/v1"}

// anonymousPath is what clients read before they know where to log in.
const anonymousPath = "/metadata/endpoints"

// plain is a path without what the API forgives: the case of letters, as in all of Azure
// Resource Manager, and slashes too many at either end, since clients join base and path
// carelessly.
func plain(path string) string {
	return "/" + strings.ToLower(strings.Trim(path, "/"))
}

// ofTheAPI reports whether a path is the API's.
func ofTheAPI(path string) bool {
	path = plain(path)
	return slices.ContainsFunc(apiPaths, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

func reading(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now() // a duration, which no test moves
	answer := &recorder{ResponseWriter: w}
	always(answer.Header())
	id := s.identify(answer, r)
	ctx, record := auth.WithRecord(r.Context())
	r = r.WithContext(ctx)
	defer func() {
		failure := recover()
		answered := failure == nil || s.recovered(answer, r, id, failure)
		s.report(answer, r, id, record.Noted(), time.Since(began))
		if !answered {
			panic(http.ErrAbortHandler) // the client must not take what it has got for whole
		}
	}()
	s.route(answer, r)
}

func (s *Server) route(w *recorder, r *http.Request) {
	api := ofTheAPI(r.URL.Path)
	if api {
		ofAPI(w.Header())
	} else {
		PageHeaders(w.Header())
	}
	switch {
	case !strings.HasPrefix(r.URL.Path, "/"):
		refuse(w, r, &apierror.Error{Status: http.StatusBadRequest, Code: "InvalidRequestUri", Message: "The address of the request is malformed.", Remedy: "Send a path that begins with a slash."})
	case !slices.Contains(s.config.Hosts, hostName(r.Host)):
		refuse(w, r, &apierror.Error{Status: http.StatusMisdirectedRequest, Code: "MisdirectedRequest", Message: "This service is not known by the name that the request has.", Remedy: "Use a name that the service is configured with, or add this one to its configuration."})
	case r.Method == http.MethodTrace || r.Method == http.MethodConnect:
		refuse(w, r, &apierror.Error{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed", Message: "This method is not served.", Remedy: "Use another method."})
	case s.api == nil || s.page == nil:
		refuse(w, r, &apierror.Error{Status: http.StatusServiceUnavailable, Code: "ServiceStarting", Message: "The service is starting.", Remedy: "Try again."})
	case !s.boundBody(w, r):
	case api:
		s.api.ServeHTTP(w, r)
	default:
		s.page.ServeHTTP(w, r)
	}
}

// boundBody limits the body, and refuses one that says to be longer.
func (s *Server) boundBody(w *recorder, r *http.Request) bool {
	limit, path := s.config.Limits.MaxBodyBytes, plain(r.URL.Path)
	if strings.HasSuffix(path, "/restore") || ofTheAPI(path) && strings.Contains(path, "/restores/") {
		limit = s.config.Limits.MaxRestoreBytes
	}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		refuse(w, r, apierror.TooLong(limit))
		return false
	}
	r.Body = http.MaxBytesReader(w.ResponseWriter, r.Body, limit) // closes the connection behind what is too long
	return true
}

// authenticated lets callers with a good credential through to the API, as often as they may.
func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address := client(r.RemoteAddr)
		if plain(r.URL.Path) == anonymousPath && reading(r) {
			if s.allow(w, r, s.anonymous, address) {
				next.ServeHTTP(w, r)
			}
			return
		}
		authenticate := s.config.Authenticator.Authenticate
		exhausted := s.refusals.exhausted(address)
		if exhausted {
			authenticate = s.config.Authenticator.AuthenticateKnown
		}
		principal, err := authenticate(r)
		switch {
		case err != nil && exhausted:
			tooMany(w, r, s.refusals.retryAfter(address))
			return
		case err != nil:
			auth.NoteFailure(r.Context(), err)
			refuse(w, r, Refused(err))
			return
		}
		if !principal.ViaResourceManager() {
			dropForwarded(r.Header)
		}
		r = r.WithContext(auth.WithPrincipal(r.Context(), principal))
		by, header := s.reads, "x-ms-ratelimit-remaining-subscription-reads"
		if !reading(r) {
			by, header = s.writes, "x-ms-ratelimit-remaining-subscription-writes"
		} else if strings.HasPrefix(plain(r.URL.Path), "/providers") {
			header = "x-ms-ratelimit-remaining-tenant-reads"
		}
		if s.allowHeader(w, r, by, principal.Subject, header) {
			next.ServeHTTP(w, r)
		}
	})
}

// dropForwarded takes away what only Azure Resource Manager may say of a caller.
func dropForwarded(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, "X-Ms-Client-") && name != "X-Ms-Client-Request-Id" && name != "X-Ms-Client-Session-Id" {
			h.Del(name)
		}
	}
}

// forPages limits how often pages are requested: by a session's principal, or by address.
func (s *Server) forPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address, principal := client(r.RemoteAddr), auth.PrincipalOf(r.Context())
		switch {
		case principal.IsZero() && !reading(r) && s.refusals.exhausted(address):
			tooMany(w, r, s.refusals.retryAfter(address))
			return
		case principal.IsZero() && !s.allow(w, r, s.anonymous, address):
			return
		case !principal.IsZero() && reading(r) && !s.allow(w, r, s.reads, principal.Subject):
			return
		case !principal.IsZero() && !reading(r) && !s.allow(w, r, s.writes, principal.Subject):
			return
		}
		if reading(r) { // a stream ends with the server; a change does not
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(s.stopping, cancel)()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) allow(w http.ResponseWriter, r *http.Request, by *rates, caller string) bool {
	return s.allowHeader(w, r, by, caller, "")
}

func (s *Server) allowHeader(w http.ResponseWriter, r *http.Request, by *rates, caller, header string) bool {
	left, ok := by.take(caller)
	if header != "" {
		w.Header().Set(header, strconv.Itoa(left))
	}
	if !ok {
		tooMany(w, r, by.retryAfter(caller))
	}
	return ok
}

func tooMany(w http.ResponseWriter, r *http.Request, after time.Duration) {
	refuse(w, r, &apierror.Error{
		Status: http.StatusTooManyRequests, Code: "TooManyRequests", Message: "There were too many requests.",
		Remedy: "Wait as long as Retry-After says, then try again.", RetryAfter: after,
	})
}

// refuse answers in the form that the caller reads: JSON on the API, a page elsewhere.
func refuse(w http.ResponseWriter, r *http.Request, f *apierror.Error) {
	if ofTheAPI(r.URL.Path) {
		f.Write(w)
		return
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", apierror.Seconds(f.RetryAfter))
	}
	writePage(w, f.Status, f.Message, f.Remedy)
}

// writePage answers with a page that says what is wrong.
func writePage(w http.ResponseWriter, status int, message, remedy string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + html.EscapeString(message) + "</title></head><body><main><h1>" +
		html.EscapeString(message) + "</h1><p>" + html.EscapeString(remedy) + "</p><p><a href=\"/\">Go to the start</a></p></main></body></html>\n")) // the client may be gone
}
