package web

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/apierror"
	"infrabackup/internal/auth"
)

func TestRates(t *testing.T) {
	f := start(t, hello, hello, func(c *Config) { c.Limits.ReadsPerSecond, c.Limits.ReadBurst = 50, 10 })
	get := func(role auth.Role) *http.Response {
		return f.send(http.MethodGet, "/subscriptions/s", nil, "Authorization", f.as(role))
	}
	put := func() *http.Response {
		return f.send(http.MethodPut, "/subscriptions/s", nil, "Authorization", f.as(auth.Owner))
	}
	for i := range 10 {
		answer := get(auth.Reader)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Equal(t, fmt.Sprint(9-i), answer.Header.Get("x-ms-ratelimit-remaining-subscription-reads"))
	}
	answer := get(auth.Reader)
	require.Equal(t, "1", answer.Header.Get("Retry-After"))
	refused(t, answer, http.StatusTooManyRequests, "TooManyRequests")
	require.Equal(t, http.StatusOK, get(auth.Operator).StatusCode, "another principal has a limit of its own")
	f.clock.advance(20 * time.Millisecond)
	require.Equal(t, http.StatusOK, get(auth.Reader).StatusCode)
	for range 5 {
		require.Equal(t, http.StatusOK, put().StatusCode)
	}
	answer = put()
	require.Equal(t, "0", answer.Header.Get("x-ms-ratelimit-remaining-subscription-writes"))
	refused(t, answer, http.StatusTooManyRequests, "TooManyRequests")
	require.Equal(t, http.StatusOK, get(auth.Owner).StatusCode)
	f.clock.advance(time.Second)
	require.Equal(t, http.StatusOK, put().StatusCode)

	r := newRates(1, 1, f.clock.now)
	for i := range maxCallers + 10 {
		r.take(fmt.Sprint(i))
	}
	require.Len(t, r.byCaller, maxCallers)
	f.clock.advance(time.Hour)
	r.take("later")
	require.Len(t, r.byCaller, 1)
}

// An address that sends bad credentials is not listened to for a while, but for what costs
// nothing to recognize: others behind the same address go on.
func TestBadCredentialsAreSlowedDown(t *testing.T) {
	f := start(t, hello, hello)
	bad := func() *http.Response {
		return f.send(http.MethodGet, "/subscriptions/s", nil, "Authorization", "Bearer eyJ.eyJ.eyJ")
	}
	for range 20 {
		refused(t, bad(), http.StatusUnauthorized, auth.CodeInvalidToken)
	}
	answer := bad()
	require.Equal(t, "1", answer.Header.Get("Retry-After"))
	refused(t, answer, http.StatusTooManyRequests, "TooManyRequests")
	require.Equal(t, http.StatusOK, f.send(http.MethodGet, "/subscriptions/s", nil, "Authorization", f.as(auth.Reader)).StatusCode)
	require.Equal(t, http.StatusTooManyRequests, f.send(http.MethodPost, "/login", nil).StatusCode)
	require.Equal(t, http.StatusOK, f.send(http.MethodGet, "/login", nil).StatusCode)
	f.clock.advance(time.Second)
	refused(t, bad(), http.StatusUnauthorized, auth.CodeInvalidToken)
	refused(t, bad(), http.StatusTooManyRequests, "TooManyRequests")

	for range 400 { // the log is not flooded either
		f.send(http.MethodGet, "/subscriptions/s", nil)
	}
	require.LessOrEqual(t, len(f.log.lines(t, "request")), 225)
	f.clock.advance(time.Minute)
	f.send(http.MethodGet, "/subscriptions/s", nil)
	require.Len(t, f.log.lines(t, "requests without a credential were refused and not logged one by one"), 1)
}

func TestAnonymousPagesAreLimited(t *testing.T) {
	f := start(t, hello, hello, func(c *Config) { c.Limits.AnonymousBurst = 3 })
	for range 3 {
		require.Equal(t, http.StatusOK, f.send(http.MethodGet, "/", nil).StatusCode)
	}
	answer := f.send(http.MethodGet, "/", nil)
	require.Equal(t, http.StatusTooManyRequests, answer.StatusCode)
	require.Contains(t, text(t, answer), "<h1>")
	refused(t, f.send(http.MethodGet, "/metadata/endpoints", nil), http.StatusTooManyRequests, "TooManyRequests")
}

func TestAudit(t *testing.T) {
	api := func(w http.ResponseWriter, r *http.Request) {
		if err := auth.Authorize(r.Context(), auth.CreateBackup); err != nil {
			Refused(err).Write(w)
			return
		}
		_, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	}
	f := start(t, api, http.NotFound)
	const canary = "canary-in-query-and-body"
	answer := f.send(http.MethodPost, "/subscriptions/s?sig="+canary, strings.NewReader(canary), "Authorization", f.as(auth.Operator), "x-ms-client-request-id", "c\u202e1")
	require.Equal(t, http.StatusAccepted, answer.StatusCode)
	refused(t, f.send(http.MethodPost, "/subscriptions/s", nil, "Authorization", f.as(auth.Reader)), http.StatusForbidden, auth.CodeAuthorizationFailed)
	refused(t, f.send(http.MethodGet, "/subscriptions/s", nil, "Authorization", "Bearer "+canary), http.StatusUnauthorized, auth.CodeInvalidToken)
	f.send(http.MethodGet, "/subscriptions/"+strings.Repeat("%0A", 300), nil, "Authorization", f.as(auth.Owner))

	audits, requests := f.log.lines(t, "audit"), f.log.lines(t, "request")
	require.Len(t, requests, 4)
	require.Len(t, audits, 3, "reads that are served are not audited")
	require.Equal(t, string(auth.CreateBackup), audits[0]["action"])
	require.Equal(t, "/subscriptions/s", audits[0]["scope"])
	require.Equal(t, "succeeded", audits[0]["result"])
	require.Regexp(t, `^token:\w{8}$`, audits[0]["who"])
	require.Equal(t, answer.Header.Get("x-ms-request-id"), audits[0]["requestId"])
	require.Equal(t, `c\u202e1`, requests[0]["clientRequestId"])
	require.Equal(t, "refused", audits[1]["result"])
	require.EqualValues(t, http.StatusForbidden, audits[1]["status"])
	require.Equal(t, "refused", audits[2]["result"])
	require.Contains(t, audits[2]["reason"], auth.CodeInvalidToken)
	require.LessOrEqual(t, len(requests[3]["path"].(string)), maxLoggedPath+len("…"))
	for _, secret := range append([]string{canary}, f.token[auth.Operator], f.token[auth.Reader], f.token[auth.Owner]) {
		require.NotContains(t, f.log.String(), secret)
	}
}

func TestPanics(t *testing.T) {
	panicking := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("how") {
		case "late":
			_, _ = fmt.Fprint(w, "half of an ans")
			panic("canary")
		case "nil":
			var p *Server
			_ = p.config
		case "abort":
			panic(http.ErrAbortHandler)
		}
		panic("canary")
	}
	f := start(t, panicking, panicking)
	refused(t, f.send(http.MethodGet, "/subscriptions/s", nil, "Authorization", f.as(auth.Reader)), http.StatusInternalServerError, apierror.CodeInternal)
	refused(t, f.send(http.MethodGet, "/subscriptions/s?how=nil", nil, "Authorization", f.as(auth.Reader)), http.StatusInternalServerError, apierror.CodeInternal)
	answer := f.send(http.MethodGet, "/", nil)
	require.Equal(t, http.StatusInternalServerError, answer.StatusCode)
	require.NotContains(t, text(t, answer), "canary")
	for _, how := range []string{"late", "abort"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+f.Addr().String()+"/?how="+how, nil)
		require.NoError(t, err)
		r.Host = "backup.test"
		answer, err := f.client.Do(r)
		if err == nil {
			_, err = io.ReadAll(answer.Body)
			_ = answer.Body.Close()
		}
		require.Error(t, err, "the client learns that the answer is not whole")
	}
	panics := f.log.lines(t, "a handler has panicked")
	require.Len(t, panics, 4)
	require.Equal(t, "string", panics[0]["panic"])
	require.Contains(t, panics[1]["panic"], "nil pointer")
	require.NotContains(t, f.log.String(), "canary")
}

func TestClientCertificate(t *testing.T) {
	clients := newAuthority(t)
	armChain, armKey := clients.issue(7, "arm.test")
	arm, err := tls.X509KeyPair(armChain, armKey)
	require.NoError(t, err)
	sum := sha256.Sum256(arm.Certificate[0])
	certificates, err := auth.NewCertificates(clients.pool(), []auth.CertificateRule{{DNS: "monitor.test", Role: auth.Reader}, {SHA256: hex.EncodeToString(sum[:]), Role: auth.Owner, ResourceManager: true}})
	require.NoError(t, err)
	f := start(t, func(w http.ResponseWriter, r *http.Request) {
		hello(w, r)
		_, _ = fmt.Fprint(w, " ", r.Header.Get("x-ms-client-object-id"), r.Header.Get("x-ms-client-request-id"))
	}, hello, func(c *Config) { c.Certificates = certificates })
	headers := []string{"x-ms-client-object-id", "o1", "x-ms-client-request-id", "r1"}
	with := func(chain, key []byte) {
		pair, err := tls.X509KeyPair(chain, key)
		require.NoError(t, err)
		f.client = f.newClient(&pair)
	}
	with(clients.issue(8, "monitor.test"))
	require.Equal(t, "certificate:monitor.test reader r1", text(t, f.send(http.MethodGet, "/subscriptions/s", nil, headers...)))
	with(clients.issue(9, "x.test"))
	refused(t, f.send(http.MethodGet, "/subscriptions/s", nil, headers...), http.StatusUnauthorized, auth.CodeAuthenticationFailed)
	with(armChain, armKey)
	require.Equal(t, "arm:|o1 owner o1r1", text(t, f.send(http.MethodGet, "/subscriptions/s", nil, headers...)))
	f.client = f.newClient(nil)
	require.Regexp(t, `^token:\w+ reader r1$`, text(t, f.send(http.MethodGet, "/subscriptions/s", nil, append(headers, "Authorization", f.as(auth.Reader))...)))
	with(newAuthority(t).issue(8, "monitor.test"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+f.Addr().String()+"/subscriptions/s", nil)
	require.NoError(t, err)
	answer, err := f.client.Do(r)
	if err == nil { // with TLS 1.3 a client may learn of it late
		_ = answer.Body.Close()
	}
	require.Error(t, err, "of another authority")
}

func TestCertificateIsReadAgain(t *testing.T) {
	f := start(t, hello, hello)
	serial := func() int64 {
		f.client = f.newClient(nil)
		answer := f.send(http.MethodGet, "/", nil)
		return answer.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	require.EqualValues(t, 2, serial())
	chain, key := f.authority.issue(33, "backup.test")
	other, _ := f.authority.issue(44, "backup.test")
	f.write(other, key)
	require.EqualValues(t, 2, serial(), "looked at once in a second")
	f.clock.advance(time.Second)
	require.EqualValues(t, 2, serial(), "half of it is there")
	f.clock.advance(time.Second)
	require.EqualValues(t, 2, serial())
	require.Len(t, f.log.lines(t, "the server's new certificate cannot be used; the one before stays"), 1, "said once")
	f.write(chain, key)
	f.clock.advance(time.Second)
	require.EqualValues(t, 33, serial())
}

// At the end, what has begun is answered, and streams end.
func TestShutdown(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	streaming := make(chan struct{})
	f := start(t, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		if r.Context().Err() != nil {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = fmt.Fprint(w, "whole")
	}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		_, _ = fmt.Fprint(w, "data: x\n\n")
		w.(http.Flusher).Flush()
		close(streaming)
		<-r.Context().Done()
	})
	var all sync.WaitGroup
	all.Go(func() {
		answer := f.send(http.MethodPut, "/subscriptions/s", nil, "Authorization", f.as(auth.Owner))
		if data, err := io.ReadAll(answer.Body); err != nil || string(data) != "whole" || answer.StatusCode != http.StatusOK {
			t.Error("the answer was cut off", err)
		}
	})
	all.Go(func() {
		answer := f.send(http.MethodGet, "/progress", nil)
		if data, err := io.ReadAll(answer.Body); err != nil || string(data) != "data: x\n\n" {
			t.Error("the stream did not end well", err)
		}
	})
	<-entered
	<-streaming
	ended := make(chan error, 1)
	go func() { ended <- f.end() }()
	<-f.stopping.Done()
	close(release)
	require.NoError(t, <-ended)
	all.Wait()
	_, err := tls.Dial("tcp", f.Addr().String(), nil)
	require.Error(t, err)
}

func TestShutdownHasALimit(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	f := start(t, func(http.ResponseWriter, *http.Request) { close(entered); <-release }, hello, func(c *Config) { c.Limits.ShutdownTimeout = 10 * time.Millisecond })
	end := f.end
	f.end = func() error { return nil }
	var all sync.WaitGroup
	all.Go(func() {
		r, _ := http.NewRequest(http.MethodGet, "https://"+f.Addr().String()+"/subscriptions/s", nil)
		r.Host = "backup.test"
		r.Header.Set("Authorization", f.as(auth.Reader))
		if answer, err := f.client.Do(r); err == nil {
			_ = answer.Body.Close()
		}
	})
	<-entered
	require.Error(t, end())
	close(release)
	all.Wait()
}

// TestWhatWasRefusedIsToldInFull: with the header that says when to come back, and without a
// word of an error that package auth has not made for callers.
func TestWhatWasRefusedIsToldInFull(t *testing.T) {
	w := httptest.NewRecorder()
	f := Refused(errors.New("canary"))
	f.Write(w)
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.NotContains(t, w.Body.String(), "canary")
	require.ErrorContains(t, f.Cause, "canary", "it is for the log")
	w = httptest.NewRecorder()
	Refused(&auth.Refusal{Status: http.StatusServiceUnavailable, Code: auth.CodeUnavailable, Message: "m", Remedy: "r", RetryAfter: 1500 * time.Millisecond, Challenge: "Bearer x"}).Write(w)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	require.Equal(t, "Bearer x", w.Header().Get("WWW-Authenticate"))
	require.JSONEq(t, `{"error":{"code":"AuthenticationUnavailable","message":"m","target":null,"details":[],"additionalInfo":[{"type":"Remedy","info":{"remedy":"r"}}]}}`, w.Body.String())
	w = httptest.NewRecorder()
	refuse(w, httptest.NewRequest(http.MethodGet, "/page", nil), &apierror.Error{Status: http.StatusForbidden, Message: "<script>", Remedy: "<b>", RetryAfter: time.Second})
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.NotContains(t, w.Body.String(), "<script>")
}
