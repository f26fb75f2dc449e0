package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/apierror"
	"infrabackup/internal/auth"
	"infrabackup/internal/fault"
)

// clock is a time that the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// journal collects what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(data []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(data)
}

// lines returns the records with a message.
func (j *journal) lines(t *testing.T, message string) []map[string]any {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(j.text.String()) {
		record := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		if record["msg"] == message {
			found = append(found, record)
		}
	}
	return found
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// authority issues certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return a
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue makes a certificate and its key, in PEM.
func (a *authority) issue(serial int64, names ...string) (chain, keyText []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	require.NoError(a.t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// fixture is a server that runs, with a token of each role.
type fixture struct {
	*Server
	t         *testing.T
	clock     *clock
	log       *journal
	authority *authority
	client    *http.Client
	tokens    *auth.Tokens
	token     map[auth.Role]string
	folder    string
	end       func() error
}

func start(t *testing.T, api, page http.HandlerFunc, change ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: &clock{at: time.Now()}, log: &journal{}, authority: newAuthority(t), token: map[auth.Role]string{}, folder: t.TempDir()}
	chain, key := f.authority.issue(2, "backup.test")
	f.write(chain, key)
	var err error
	f.tokens, err = auth.OpenTokens(t.Context(), auth.TokensConfig{Path: filepath.Join(f.folder, "tokens"), Now: f.clock.now})
	require.NoError(t, err)
	for _, role := range []auth.Role{auth.Reader, auth.Operator, auth.Owner} {
		_, text, err := f.tokens.Create(t.Context(), auth.NewToken{Name: string(role), Role: role, Owner: "test", Lifetime: time.Hour})
		require.NoError(t, err)
		f.token[role] = text.Reveal()
	}
	config := Config{Address: "127.0.0.1:0", CertificateFile: f.path("cert"), KeyFile: f.path("key"), Hosts: []string{"backup.test"}, Now: f.clock.now, Logger: slog.New(slog.NewJSONHandler(f.log, nil))}
	for _, c := range change {
		c(&config)
	}
	config.Authenticator, err = auth.NewAuthenticator(auth.AuthenticatorConfig{Tokens: f.tokens, Certificates: config.Certificates, Now: f.clock.now})
	require.NoError(t, err)
	config.Sessions, err = auth.NewSessions(auth.SessionsConfig{Tokens: f.tokens, Now: f.clock.now})
	require.NoError(t, err)
	f.Server, err = NewServer(config)
	require.NoError(t, err)
	f.Handle(api, page)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	f.end = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { require.NoError(t, f.end()) })
	f.client = f.newClient(nil)
	return f
}

func (f *fixture) path(name string) string { return filepath.Join(f.folder, name) }

func (f *fixture) write(chain, key []byte) {
	require.NoError(f.t, os.WriteFile(f.path("cert"), chain, 0o600))
	require.NoError(f.t, os.WriteFile(f.path("key"), key, 0o600))
}

func (f *fixture) newClient(pair *tls.Certificate) *http.Client {
	config := &tls.Config{RootCAs: f.authority.pool(), ServerName: "backup.test"}
	if pair != nil {
		config.Certificates = []tls.Certificate{*pair}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// send sends a request for backup.test; headers are name, value, name, value.
func (f *fixture) send(method, path string, body io.Reader, headers ...string) *http.Response {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, "https://"+f.Addr().String()+path, body)
	require.NoError(f.t, err)
	r.Host = "backup.test"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	answer, err := f.client.Do(r)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func (f *fixture) as(role auth.Role) string { return "Bearer " + f.token[role] }

func text(t *testing.T, answer *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(data)
}

// hello answers with who calls.
func hello(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "%s %s", auth.PrincipalOf(r.Context()).Subject, auth.PrincipalOf(r.Context()).Role)
}

// refused examines an error of the API.
func refused(t *testing.T, answer *http.Response, status int, code string) {
	t.Helper()
	body := text(t, answer)
	require.Equal(t, status, answer.StatusCode, body)
	var e apierror.Body
	require.NoError(t, json.Unmarshal([]byte(body), &e), body)
	require.Equal(t, code, e.Error.Code)
	require.NotEmpty(t, e.Error.Message)
	require.Len(t, e.Error.AdditionalInfo, 1)
	require.Equal(t, "application/json; charset=utf-8", answer.Header.Get("Content-Type"))
}

// raw sends bytes over TLS and returns all that comes back.
func (f *fixture) raw(data string) string {
	f.t.Helper()
	conn, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{RootCAs: f.authority.pool(), ServerName: "backup.test"})
	require.NoError(f.t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(f.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, _ = conn.Write([]byte(data)) // the server may refuse before all is sent
	answer, _ := io.ReadAll(conn)   // and reset the connection then
	return string(answer)
}

func TestAPI(t *testing.T) {
	f := start(t, hello, http.NotFound)
	const guid = "0b1DD2a6-1111-4222-8333-944444444444"
	answer := f.send(http.MethodGet, "/subscriptions/s?api-version=2018-09-01", nil, "Authorization", f.as(auth.Operator), "x-ms-correlation-request-id", guid,
		"x-ms-client-request-id", guid, "x-ms-return-client-request-id", "true")
	require.Regexp(t, `^token:\w{8} operator$`, text(t, answer))
	require.Equal(t, 2, answer.ProtoMajor)
	h := answer.Header
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, h.Get("x-ms-request-id"))
	require.Equal(t, guid, h.Get("x-ms-correlation-request-id"))
	require.Equal(t, guid, h.Get("x-ms-client-request-id"))
	require.Regexp(t, `^LOCAL:\d{8}T\d{6}Z:`+h.Get("x-ms-request-id")+`$`, h.Get("x-ms-routing-request-id"))
	require.Equal(t, "1999", h.Get("x-ms-ratelimit-remaining-subscription-reads"))
	for name, want := range map[string]string{"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1", "X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "max-age=31536000", "Server": "", "WWW-Authenticate": ""} {
		require.Equal(t, want, h.Get(name), name)
	}
	answer = f.send(http.MethodGet, "/SUBSCRIPTIONS/s", nil, "x-ms-correlation-request-id", "no\tguid", "x-ms-client-request-id", guid)
	refused(t, answer, http.StatusUnauthorized, auth.CodeAuthenticationFailed)
	require.Equal(t, answer.Header.Get("x-ms-request-id"), answer.Header.Get("x-ms-correlation-request-id"))
	require.Empty(t, answer.Header.Get("x-ms-client-request-id"))
	require.Contains(t, answer.Header.Get("WWW-Authenticate"), `error="invalid_token"`)
	for _, path := range []string{"/providers/Microsoft.Backup.Admin/operations", "/api/v1/progress", "/Api/V1", "/metadata/endpoints/x", "/%73ubscriptions/s", "//subscriptions/s", "///API/v1/"} {
		refused(t, f.send(http.MethodGet, path, nil), http.StatusUnauthorized, auth.CodeAuthenticationFailed)
	}
	require.Equal(t, http.StatusOK, f.send(http.MethodGet, "/metadata/endpoints?api-version=2015-01-01", nil).StatusCode)
	require.Equal(t, http.StatusOK, f.send(http.MethodGet, "//Metadata/endpoints/?api-version=2015-01-01", nil).StatusCode)
	refused(t, f.send(http.MethodPost, "/metadata/endpoints", nil), http.StatusUnauthorized, auth.CodeAuthenticationFailed)
	require.NotEmpty(t, f.send(http.MethodGet, "/providers/x", nil, "Authorization", f.as(auth.Reader)).Header.Get("x-ms-ratelimit-remaining-tenant-reads"))
}

// A cookie is nothing on the API, and a bearer token nothing on the page.
func TestCookieAndTokenStayApart(t *testing.T) {
	var f *fixture
	f = start(t, hello, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/login" || r.Method != http.MethodPost {
			hello(w, r)
			return
		}
		if _, err := f.config.Sessions.LoginWithToken(w, r, r.FormValue("token")); err != nil {
			http.Redirect(w, r, "/login?error=1", http.StatusSeeOther)
		}
	})
	require.Equal(t, " ", text(t, f.send(http.MethodGet, "/", nil, "Authorization", f.as(auth.Owner))))
	answer := f.send(http.MethodPost, "/login", strings.NewReader("token="+f.token[auth.Operator]), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	cookie := answer.Header.Get("Set-Cookie")
	require.Regexp(t, `^__Host-ibk=[\w-]{43}; Path=/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$`, cookie)
	cookie, _, _ = strings.Cut(cookie, ";")
	answer = f.send(http.MethodGet, "/", nil, "Cookie", cookie)
	require.Regexp(t, `^token:\w+ operator$`, text(t, answer))
	h := answer.Header
	require.Equal(t, contentPolicy, h.Get("Content-Security-Policy"))
	for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"} {
		require.Equal(t, want, h.Get(name))
	}
	refused(t, f.send(http.MethodGet, "/subscriptions/s", nil, "Cookie", cookie), http.StatusUnauthorized, auth.CodeAuthenticationFailed)
	for range 21 {
		answer = f.send(http.MethodPost, "/login", strings.NewReader("token=x"), "Content-Type", "application/x-www-form-urlencoded")
	}
	require.Equal(t, http.StatusTooManyRequests, answer.StatusCode, "refused logins count, whatever the page answers")
	audits := f.log.lines(t, "audit")
	require.EqualValues(t, http.StatusSeeOther, audits[3]["status"])
	require.Equal(t, "refused", audits[3]["result"])
	require.Contains(t, audits[3]["reason"], auth.CodeInvalidToken)
	require.Equal(t, "POST", audits[0]["method"])
	require.Equal(t, "succeeded", audits[0]["result"])
	require.Equal(t, "session", audits[0]["how"])
	require.NotContains(t, f.log.String(), strings.TrimPrefix(cookie, "__Host-ibk="))
}

func TestOtherSitesAreRefused(t *testing.T) {
	calls := 0
	count := func(http.ResponseWriter, *http.Request) { calls++ }
	f := start(t, count, count)
	for name, headers := range map[string][]string{
		"another site":        {"Sec-Fetch-Site", "cross-site"},
		"another of the same": {"Sec-Fetch-Site", "same-site"},
		"another's origin":    {"Origin", "https://evil.test"},
		"no origin at all":    {"Origin", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := f.send(http.MethodPost, "/backups", strings.NewReader("x"), headers...)
			require.Equal(t, http.StatusForbidden, answer.StatusCode)
			require.Contains(t, text(t, answer), "another site")
			require.NotEmpty(t, answer.Header.Get("Content-Security-Policy"))
			refused(t, f.send(http.MethodPut, "/subscriptions/s", nil, append(headers, "Authorization", f.as(auth.Owner))...), http.StatusForbidden, "CrossOriginRequest")
		})
	}
	for name, host := range map[string]string{"another name": "evil.test", "an address": "127.0.0.1", "a name below": "x.backup.test", "a name above": "test", "with the port of another": "evil.test:8443"} {
		refused(t, f.send(http.MethodGet, "/subscriptions/s", nil, "Host", host, "Authorization", f.as(auth.Owner)), http.StatusMisdirectedRequest, "MisdirectedRequest")
		require.Equal(t, http.StatusMisdirectedRequest, f.send(http.MethodGet, "/", nil, "Host", host).StatusCode, name)
	}
	require.Zero(t, calls)
	for _, host := range []string{"backup.test", "BACKUP.test.", "backup.test:8443"} {
		require.Equal(t, http.StatusOK, f.send(http.MethodPost, "/", nil, "Host", host, "Sec-Fetch-Site", "same-origin").StatusCode, host)
	}
	require.Equal(t, 3, calls)
}

// tooLong answers for a body that was longer than it may be.
func tooLong(w http.ResponseWriter, err error) {
	var longer *http.MaxBytesError
	if errors.As(err, &longer) {
		apierror.TooLong(longer.Limit).Write(w)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			tooLong(w, err)
			return
		}
		_, _ = fmt.Fprint(w, len(data))
	}
	f := start(t, read, read, func(c *Config) { c.Limits.WriteBurst = 100 })
	long := func(n int) io.Reader { return io.LimitReader(neverEnding('x'), int64(n)) } // without Content-Length
	for _, test := range []struct {
		path string
		n    int
		ok   bool
	}{
		{"/subscriptions/s", 64 << 10, true}, {"/subscriptions/s", 64<<10 + 1, false}, {"/subscriptions/s", 10 << 20, false},
		{"/subscriptions/s/backups/b/restore", 256 << 10, true}, {"/subscriptions/s/backups/b/Restore/", 256 << 10, true}, {"/subscriptions/s/backups/b/restore", 256<<10 + 1, false},
		{"/subscriptions/restore/x", 64<<10 + 1, false},
		{"/api/v1/locations/l/restores/plans", 256 << 10, true}, {"/api/v1/locations/l/Restores/plans/p/open", 256 << 10, true}, {"/api/v1/locations/l/restores/plans", 256<<10 + 1, false},
		{"/api/v1/locations/l/alerts/acknowledge", 64<<10 + 1, false},
	} {
		for _, body := range []io.Reader{bytes.NewReader(bytes.Repeat([]byte("x"), test.n)), long(test.n)} {
			answer := f.send(http.MethodPost, test.path, body, "Authorization", f.as(auth.Owner))
			if test.ok {
				require.Equal(t, fmt.Sprint(test.n), text(t, answer))
			} else {
				refused(t, answer, http.StatusRequestEntityTooLarge, "RequestContentTooLarge")
			}
		}
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, f.send(http.MethodPost, "/", bytes.NewReader(make([]byte, 65<<10))).StatusCode)
	require.True(t, strings.HasPrefix(f.raw("POST / HTTP/1.1\r\nHost: backup.test\r\nContent-Length: 99999999\r\n\r\n"), "HTTP/1.1 413 "))
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// What is no request at all is refused, and others are served meanwhile and afterwards.
func TestMalformedRequests(t *testing.T) {
	f := start(t, hello, hello)
	authorization := "Authorization: " + f.as(auth.Reader) + "\r\n"
	for name, test := range map[string]struct{ data, status string }{
		"long headers":       {"GET / HTTP/1.1\r\nHost: backup.test\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431"},
		"many headers":       {"GET / HTTP/1.1\r\nHost: backup.test\r\n" + strings.Repeat("A: b\r\n", 10_000) + "\r\n", "431"},
		"a long line":        {"GET /" + strings.Repeat("x", 64<<10), "431"},
		"garbage":            {"\x00\x01\x02\r\n\r\n", "400"},
		"another protocol":   {"SSH-2.0-x\r\n\r\n", "400"},
		"a version":          {"GET / HTTP/9.9\r\nHost: backup.test\r\n\r\n", "505"},
		"no host":            {"GET / HTTP/1.1\r\n\r\n", "400"},
		"an empty host":      {"GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n", "421"},
		"two hosts":          {"GET / HTTP/1.1\r\nHost: backup.test\r\nHost: evil.test\r\n\r\n", "400"},
		"two lengths":        {"POST / HTTP/1.1\r\nHost: backup.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "400"},
		"a negative length":  {"POST / HTTP/1.1\r\nHost: backup.test\r\nContent-Length: -1\r\n\r\n", "400"},
		"an odd encoding":    {"POST / HTTP/1.1\r\nHost: backup.test\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
		"a bad header":       {"GET / HTTP/1.1\r\nHost: backup.test\r\nA\x00: b\r\n\r\n", "400"},
		"an escape":          {"GET /%zz HTTP/1.1\r\nHost: backup.test\r\n\r\n", "400"},
		"everything":         {"OPTIONS * HTTP/1.1\r\nHost: backup.test\r\nConnection: close\r\n\r\n", "400"},
		"a proxy's":          {"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\nConnection: close\r\n\r\n", "4"},
		"an absolute target": {"GET https://evil.test/subscriptions/s HTTP/1.1\r\nHost: backup.test\r\n" + authorization + "Connection: close\r\n\r\n", "421"},
		"TRACE":              {"TRACE / HTTP/1.1\r\nHost: backup.test\r\nConnection: close\r\n\r\n", "405"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := f.raw(test.data)
			require.True(t, strings.HasPrefix(answer, "HTTP/1.1 "+test.status) || strings.HasPrefix(answer, "HTTP/1.0 "+test.status), "%.200q", answer)
			require.NotContains(t, answer, f.token[auth.Reader])
			require.Equal(t, http.StatusOK, f.send(http.MethodGet, "/subscriptions/s", nil, "Authorization", f.as(auth.Reader)).StatusCode)
		})
	}
}

// HTTP/2 has limits of its own.
func TestLongHeadersOfHTTP2(t *testing.T) {
	f := start(t, hello, hello)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+f.Addr().String()+"/", nil)
	require.NoError(t, err)
	r.Host = "backup.test"
	r.Header.Set("X", strings.Repeat("x", 64<<10))
	answer, err := f.client.Do(r)
	if err == nil { // the client may notice by itself that the server takes no such headers
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
	}
	require.Equal(t, http.StatusOK, f.send(http.MethodGet, "/", nil).StatusCode)
}

func TestPlainHTTPIsRefused(t *testing.T) {
	called := false
	f := start(t, func(http.ResponseWriter, *http.Request) { called = true }, func(http.ResponseWriter, *http.Request) { called = true })
	conn, err := net.Dial("tcp", f.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte("GET /subscriptions/s HTTP/1.1\r\nHost: backup.test\r\nAuthorization: " + f.as(auth.Reader) + "\r\n\r\n"))
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
	require.False(t, called)

	_, err = tls.Dial("tcp", f.Addr().String(), &tls.Config{RootCAs: f.authority.pool(), ServerName: "backup.test", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	require.Error(t, err)
}

// Clients that send a byte now and then, or nothing, lose their connections, and others are
// served meanwhile.
func TestSlowClients(t *testing.T) {
	require.Equal(t, Limits{ReadsPerSecond: 2000, ReadBurst: 2000, WritesPerSecond: 1, WriteBurst: 5, RefusalsPerSecond: 1, RefusalBurst: 20, AnonymousPerSecond: 20, AnonymousBurst: 100,
		Connections: 1024, AddressConnections: 256, HeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		ShutdownTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10, MaxBodyBytes: 64 << 10, MaxRestoreBytes: 256 << 10}, Limits{}.withDefaults())
	read := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			tooLong(w, err)
		}
	}
	f := start(t, read, read, func(c *Config) {
		c.Limits.HeaderTimeout, c.Limits.ReadTimeout = 500*time.Millisecond, time.Second
	})
	require.Equal(t, 500*time.Millisecond, f.http.ReadHeaderTimeout)
	var all sync.WaitGroup
	for _, data := range []string{"", "GET / HTTP/1.1\r\nHost: ba", "POST / HTTP/1.1\r\nHost: backup.test\r\nContent-Length: 100\r\n\r\nx"} {
		for range 5 {
			all.Go(func() {
				conn, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{RootCAs: f.authority.pool(), ServerName: "backup.test"})
				if err != nil {
					return // on a slow machine the handshake is too slow already
				}
				defer func() { _ = conn.Close() }()
				if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
					t.Error(err)
				}
				_, _ = conn.Write([]byte(data))
				if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
					t.Error("the connection was left open")
				}
			})
		}
	}
	all.Go(func() { // no handshake
		conn, err := net.Dial("tcp", f.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Error("the connection was left open")
		}
	})
	require.Eventually(t, func() bool {
		r, _ := http.NewRequest(http.MethodGet, "https://"+f.Addr().String()+"/", nil)
		r.Host = "backup.test"
		answer, err := f.client.Do(r)
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, 20*time.Second, time.Millisecond, "others are served meanwhile")
	all.Wait()
	f.client.CloseIdleConnections()
	require.Eventually(t, func() bool {
		l := f.listener.(*listener)
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.open == 0 && len(l.count) == 0
	}, 10*time.Second, 5*time.Millisecond)
}

func TestConnectionsAreBounded(t *testing.T) {
	f := start(t, hello, hello, func(c *Config) { c.Limits.AddressConnections = 3 })
	dial := func() (*tls.Conn, error) {
		return tls.Dial("tcp", f.Addr().String(), &tls.Config{RootCAs: f.authority.pool(), ServerName: "backup.test"})
	}
	var held []*tls.Conn
	for range 3 {
		conn, err := dial()
		require.NoError(t, err)
		held = append(held, conn)
	}
	_, err := dial()
	require.Error(t, err, "one too many")
	require.NoError(t, held[0].Close())
	require.Eventually(t, func() bool {
		conn, err := dial()
		if err == nil {
			held = append(held, conn)
		}
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	for _, conn := range held[1:] {
		require.NoError(t, conn.Close())
	}
	l := newListener(nil, Limits{Connections: 2, AddressConnections: 2})
	require.True(t, l.enter("a") && l.enter("b"))
	require.False(t, l.enter("c"), "all are taken")
	for remote, want := range map[string]string{"10.0.0.1:5": "10.0.0.1", "[::ffff:10.0.0.1]:5": "10.0.0.1", "[2001:db8::1:2]:5": "2001:db8::/64", "[fe80::1%eth0]:5": "fe80::/64", "x": "x"} {
		require.Equal(t, want, client(remote))
	}
}

func TestRefusedConfigurations(t *testing.T) {
	f := start(t, hello, hello)
	for name, change := range map[string]func(*Config){
		"no hosts":             func(c *Config) { c.Hosts = nil },
		"a wildcard":           func(c *Config) { c.Hosts = []string{"*"} },
		"no way in":            func(c *Config) { c.Authenticator = nil },
		"no sessions":          func(c *Config) { c.Sessions = nil },
		"no port":              func(c *Config) { c.Address = "127.0.0.1" },
		"an address in use":    func(c *Config) { c.Address = f.Addr().String() },
		"no certificate":       func(c *Config) { c.CertificateFile = f.path("none") },
		"a key for all to see": func(c *Config) { require.NoError(t, os.Chmod(f.path("key"), 0o644)) },
		"no key":               func(c *Config) { c.KeyFile = f.path("cert") },
	} {
		config := f.config
		config.Address = "127.0.0.1:0"
		change(&config)
		_, err := NewServer(config)
		require.ErrorIs(t, err, fault.ConfigInvalid, name)
		require.NoError(t, os.Chmod(f.path("key"), 0o600))
	}
	config, err := Config{Authenticator: f.config.Authenticator, Sessions: f.config.Sessions, Hosts: []string{"[::1]:8443", "Backup.Test."}}.check()
	require.NoError(t, err)
	require.Equal(t, DefaultAddress, config.Address, "of this host only")
	require.Equal(t, []string{"::1", "backup.test"}, config.Hosts)
}

// BenchmarkRead is what the server itself costs a read with an API token.
func BenchmarkRead(b *testing.B) {
	tokens, err := auth.OpenTokens(b.Context(), auth.TokensConfig{Path: filepath.Join(b.TempDir(), "tokens")})
	require.NoError(b, err)
	_, token, err := tokens.Create(b.Context(), auth.NewToken{Role: auth.Reader, Owner: "o", Lifetime: time.Hour})
	require.NoError(b, err)
	authenticator, err := auth.NewAuthenticator(auth.AuthenticatorConfig{Tokens: tokens})
	require.NoError(b, err)
	sessions, err := auth.NewSessions(auth.SessionsConfig{Tokens: tokens})
	require.NoError(b, err)
	config, err := Config{Hosts: []string{"backup.test"}, Authenticator: authenticator, Sessions: sessions, Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)), Limits: Limits{ReadsPerSecond: 1e9}}.check()
	require.NoError(b, err)
	s := &Server{config: config, reads: newRates(1e9, 1e9, time.Now), refusals: newRates(1, 1, time.Now)}
	s.Handle(http.HandlerFunc(hello), http.NotFoundHandler())
	r := httptest.NewRequest(http.MethodGet, "https://backup.test/subscriptions/s", nil)
	r.Header.Set("Authorization", "Bearer "+token.Reveal())
	for b.Loop() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		require.Equal(b, http.StatusOK, w.Code)
	}
}
