package wire_test

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/apierror"
	"infrabackup/internal/auth"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/provider"
	"infrabackup/internal/recovery"
	"infrabackup/internal/rp"
	"infrabackup/tests/lab/stamp/conformance"
)

const (
	subscription = "11111111-2222-3333-4444-555555555555"
	root         = "/subscriptions/" + subscription + "/resourceGroups/System.local/providers/Microsoft.Backup.Admin/backupLocations"
	place        = root + "/local"
	password     = "canary-pass-word"
	canaryKey    = "YVVOa0J3S2xTamhHZ1lyRU9wQ1pKQ0xWanhjaHlkaU5ZQnNDeHRPTGFQenJKdWZsRGtYT25oYmlaa1RMVWFKeQ=="
)

var versions = []string{"2016-05-01", "2018-09-01", "2021-09-01"}

// caller may do everything but what is refused, and notes what it was asked for.
type caller struct {
	refuse map[string]bool
	asked  *[]string
	role   auth.Role
	// subject is who calls, test|operator when empty.
	subject string
}

func (c caller) Covers(role string) (known, covered bool) {
	return auth.Role(role).Valid(), c.role.Covers(auth.Role(role))
}

func (c caller) NoteObject(string) {}

func (c caller) Subject() string { return cmp.Or(c.subject, "test|operator") }

func (c caller) May(action string) error {
	*c.asked = append(*c.asked, action)
	if c.refuse[action] {
		return &apierror.Error{Status: http.StatusForbidden, Code: "AuthorizationFailed", Message: "The client does not have authorization to perform action '" + action + "'.", Remedy: "Ask an owner."}
	}
	return nil
}

// harness is the API with a board and a control of the test behind it. Every exchange is
// checked.
type harness struct {
	t       *testing.T
	server  *listening
	board   *fakeBoard
	control *fakeControl
	caller  caller
	unknown bool     // callers are not recognized
	asked   []string // actions that the caller was asked about
	log     lines    // of the listener and of the API

	mu   sync.Mutex
	now  time.Time
	seen map[string]int // operation, version and status
}

var definitions = sync.OnceValues(func() (*conformance.Spec, error) {
	return conformance.Load(os.DirFS("../spec/azurestack-admin/backup"))
})

func start(t *testing.T) *harness {
	t.Helper()
	return startWith(t, func(*rp.Instance) {})
}

// startWith is start with an instance that is changed before.
func startWith(t *testing.T, change func(*rp.Instance)) *harness {
	t.Helper()
	h := &harness{t: t, now: time.Date(2026, 11, 28, 10, 30, 0, 0, time.UTC), seen: map[string]int{}}
	h.board = &fakeBoard{snapshot: &board.Snapshot{AsOf: h.now, Instance: backup.Instance{Name: "prod", FQDN: "local.azurestack.external", Region: "local", DeploymentID: "d3236bc0-6a46-4877-a9da-6fe69e9661df"}}}
	h.control = newFakeControl(h.board, h.clock)
	h.caller.asked, h.caller.role = &h.asked, auth.Owner
	logger := slog.New(slog.NewJSONHandler(&h.log, nil))
	h.server = listen(t, logger)
	instance := rp.Instance{Board: h.board, Control: h.control, Restore: restorer(t, h.control), Plans: plans(h), Diffs: recovery.Diffs{Control: h.control, Keys: ownProcess{}}}
	change(&instance)
	api, err := rp.New(rp.Options{
		BaseURL: h.server.URL, SubscriptionID: subscription, Instances: map[string]rp.Instance{"local": instance}, Now: h.clock,
		Caller: func(*http.Request) (rp.Caller, error) {
			if h.unknown {
				return nil, &apierror.Error{Status: http.StatusUnauthorized, Code: "AuthenticationFailed", Message: "no", Challenge: `Bearer authorization_uri="https://login.example/", error="invalid_token"`}
			}
			return h.caller, nil
		},
		Tokens:   provider.APITokens(h.server.tokens),
		Metadata: rp.Metadata{Gallery: "https://gallery.example/", Graph: "https://graph.example/", Portal: "https://portal.example/", Login: "https://login.example/adfs", Audiences: []string{"https://management.example/1"}},
		Logger:   logger,
	})
	require.NoError(t, err)
	h.server.serve(t, checked(h, api))
	return h
}

// clock moves by two seconds with each look, so that answers that are kept for a second are
// old at the next request.
func (h *harness) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(2 * time.Second)
	return h.now
}

// enable sets everything as if it had been enabled before.
func (h *harness) enable() *harness {
	h.put("2018-09-01", store(map[string]any{"path": `\\fs.example.com\AzSBackups`, "userName": `CORP\backup`, "password": password, "encryptionCertBase64": certificate()}))
	return h
}

func (h *harness) put(version string, body any) {
	h.t.Helper()
	a := h.do("PUT", place, version, body)
	require.Equal(h.t, http.StatusAccepted, a.status, a.text)
	end := h.follow(a)
	require.Equal(h.t, http.StatusOK, end.status, end.text)
}

type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// do sends a request. A body that is a string is sent as it is.
func (h *harness) do(method, path, version string, body any) answer {
	h.t.Helper()
	var reader io.Reader
	if s, ok := body.(string); ok {
		reader = strings.NewReader(s)
	} else if body != nil {
		data, err := json.Marshal(body)
		require.NoError(h.t, err)
		reader = bytes.NewReader(data)
	}
	address := path
	if !strings.HasPrefix(path, "https://") {
		address = h.server.URL + path
	}
	if version != "" {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		address += separator + "api-version=" + version
	}
	r, err := http.NewRequestWithContext(h.t.Context(), method, address, reader)
	require.NoError(h.t, err)
	if reader != nil {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return h.send(r)
}

func (h *harness) send(r *http.Request) answer {
	h.t.Helper()
	response, err := h.server.Client().Do(r)
	require.NoError(h.t, err)
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	require.NoError(h.t, err)
	a := answer{status: response.StatusCode, header: response.Header, text: string(data)}
	_ = json.Unmarshal(data, &a.json)
	return a
}

// follow polls Location until the operation has ended, at most 20 times.
func (h *harness) follow(a answer) answer {
	h.t.Helper()
	for range 20 {
		location := a.header.Get("Location")
		require.NotEmpty(h.t, location)
		if a = h.do("GET", location, "", nil); a.status != http.StatusAccepted {
			return a
		}
		h.control.settle()
	}
	h.t.Fatal("the operation does not end")
	return a
}

// property walks into a body.
func (a answer) property(path ...string) any {
	var at any = a.json
	for _, name := range path {
		below, _ := at.(map[string]any)
		at = below[name]
	}
	return at
}

func (a answer) code() any { return a.property("error", "code") }

var resultPath = regexp.MustCompile(`(?i)/operationResults/[^/]+$`)

// check holds one exchange against the definitions and the rules of headers.
func (h *harness) check(r *http.Request, a *written) {
	t, body, header := h.t, a.body.Bytes(), a.Header()
	what := r.Method + " " + r.URL.String() + ": " + string(body)
	for _, name := range []string{"X-Ms-Request-Id", "X-Ms-Correlation-Request-Id", "X-Ms-Routing-Request-Id"} {
		assert.NotEmpty(t, header.Get(name), name)
	}
	caching := "no-cache"
	if a.status == http.StatusCreated {
		caching = "no-store" // it has a secret
	}
	assert.Equal(t, caching, header.Get("Cache-Control"))
	assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
	assert.Empty(t, header.Get("Server"))
	for _, name := range []string{"Location", "Azure-Asyncoperation"} {
		if v := header.Get(name); v != "" {
			assert.True(t, strings.HasPrefix(v, h.server.URL+"/"), v)
		}
	}
	if header.Get("Azure-Asyncoperation") != "" {
		assert.NotEmpty(t, header.Get("Location"), "clients crash without it")
	}
	if retry := header.Get("Retry-After"); retry != "" {
		assert.Regexp(t, `^[0-9]+$`, retry)
	}
	for _, canary := range []string{password, canaryKey, "PRIVATE KEY"} {
		assert.NotContains(t, string(body), canary)
	}
	version := r.URL.Query().Get("api-version")
	switch {
	case a.status == http.StatusAccepted:
		assert.Empty(t, body, what)
		assert.NotEmpty(t, header.Get("Location"), what)
		assert.NotEmpty(t, header.Get("Retry-After"), what)
	case a.status >= 400:
		h.checkError(body, what)
	}
	if a.status < 400 && strings.Contains(r.URL.Path, "/providers/Microsoft.Backup.Admin/") && version != "2021-09-01" {
		assert.NotContains(t, string(body), "provisioningState", what)
	}
	if resultPath.MatchString(r.URL.Path) {
		h.checkResult(r, version, a.status, body, what)
		return
	}
	h.checkDefinition(r.Method, r.URL.Path, version, a.status, body, what)
}

// checkError wants the one form of errors, whole.
func (h *harness) checkError(body []byte, what string) {
	var e struct {
		Error map[string]json.RawMessage `json:"error"`
	}
	assert.NoError(h.t, json.Unmarshal(body, &e), what)
	for _, name := range []string{"code", "message", "target", "details", "additionalInfo"} {
		assert.Contains(h.t, e.Error, name, what)
	}
	assert.Len(h.t, e.Error, 5, what)
	assert.Regexp(h.t, `^"([A-Z][a-z0-9]+)+"$`, string(e.Error["code"]), what)
	assert.NotRegexp(h.t, "`|infrabackup |(^|\\s)--[a-z]", string(body), what)
}

// checkResult holds the result of an operation against the definition of what began it.
func (h *harness) checkResult(r *http.Request, version string, status int, body []byte, what string) {
	switch status {
	case 408, 429, 500, 502, 503, 504:
		assert.Fail(h.t, "pollers ask again for ever", what)
	}
	h.note("OperationResults", version, status)
	if status != http.StatusOK {
		return
	}
	base := resultPath.ReplaceAllString(r.URL.Path, "")
	async := r.URL.Query().Get("IsAsyncOperation") != ""
	if len(body) == 0 && !async { // only a restore has no result
		h.checkDefinition("POST", base+"/backups/"+subscription+"/restore", version, status, body, what)
		return
	}
	var b map[string]json.RawMessage
	if !assert.NoError(h.t, json.Unmarshal(body, &b), what) {
		return
	}
	if async {
		assert.Contains(h.t, []string{`"Accepted"`, `"Succeeded"`, `"Failed"`, `"Canceled"`}, string(b["status"]), what)
		return
	}
	assert.NotContains(h.t, b, "status", what)
	switch {
	case strings.Contains(string(body), "pathsToDelete"):
		// The result has the members of a resource, as on the wire; the definition has none.
		for _, name := range []string{"id", "name", "type", "location", "tags"} {
			assert.Contains(h.t, b, name, what)
			delete(b, name)
		}
		trimmed, _ := json.Marshal(b)
		h.checkDefinition("POST", base+"/pruneExternalStore", version, status, trimmed, what)
	case strings.Contains(string(body), "backupInfo"):
		h.checkDefinition("POST", base+"/createBackup", version, status, body, what)
	default:
		h.checkDefinition("PUT", base, version, status, body, what)
	}
}

// checkDefinition holds a body against the definition of its operation. 2021-09-01 is held
// against that of 2018-09-01.
func (h *harness) checkDefinition(method, path, version string, status int, body []byte, what string) {
	spec, err := definitions()
	require.NoError(h.t, err)
	against, as := version, method
	if version == "2021-09-01" {
		against = "2018-09-01"
		if method == http.MethodPatch {
			as = http.MethodPut
		}
	}
	path = regexp.MustCompile(`(?i)/backups/[^/]+/([0-9a-f]{8}-)`).ReplaceAllString(strings.TrimSuffix(path, "/"), "/backups/$1")
	o := spec.Find(conformance.Manager, as, path, against)
	if o == nil {
		return // not of the provider, or refused as a whole; the tests say what they expect
	}
	h.note(o.ID, version, status)
	if status == http.StatusAccepted {
		return // T3: it has a schema and, on the wire and by Resource Manager's contract, no body
	}
	_, problems, err := spec.Check(conformance.Manager, as, path, against, status, body)
	require.NoError(h.t, err)
	for _, p := range problems {
		if !excepted(version, p) {
			assert.Fail(h.t, p.String(), what)
		}
	}
}

func (h *harness) note(operation, version string, status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[operation+" "+version+" "+http.StatusText(status)]++
}

func store(members map[string]any) map[string]any {
	return map[string]any{"properties": map[string]any{"externalStoreDefault": members}}
}

var certificate = sync.OnceValue(func() string { return makeCertificate() })

func makeCertificate() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "backup"}, NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}
