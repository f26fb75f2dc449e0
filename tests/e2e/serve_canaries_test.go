package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/seal/sealtest"
)

// disguises are the forms in which a secret may stand somewhere: as it is, in base64 wherever it
// begins in what was encoded, in hexadecimal, as texts of JSON, HTML and addresses have it, and as
// Windows counts characters.
func disguises(secret string) map[string][]byte {
	all := map[string][]byte{"as it is": []byte(secret), "in hexadecimal": []byte(hex.EncodeToString([]byte(secret))), "in HTML": []byte(html.EscapeString(secret)), "in an address": []byte(url.QueryEscape(secret))}
	if text, err := json.Marshal(secret); err == nil {
		all["in JSON"] = text[1 : len(text)-1]
	}
	var wide bytes.Buffer
	for _, unit := range utf16.Encode([]rune(secret)) {
		wide.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	all["in UTF-16"] = wide.Bytes()
	for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64 of addresses": base64.RawURLEncoding} {
		for at, skip := range []int{0, 2, 3} { // characters that what stands before has a part in
			text := encoding.EncodeToString(append(make([]byte, at), secret...))
			if (at+len(secret))%3 != 0 {
				text = text[:len(text)-1] // what stands behind has a part in it
			}
			all[fmt.Sprintf("in %s, %d", name, at)] = []byte(text[skip:])
		}
	}
	return all
}

// requireNoneOf searches places for secrets in every disguise.
func requireNoneOf(t *testing.T, secrets map[string]string, places map[string][]byte) {
	t.Helper()
	texts := map[string][]byte{}
	for name, secret := range secrets {
		require.GreaterOrEqual(t, len(secret), 8, "%s would be found by chance", name)
		for disguise, text := range disguises(secret) {
			texts[name+", "+disguise] = text
		}
	}
	requireNowhere(t, texts, places)
}

// stored is every event of every run of the instance as the Temporal server has it, and every
// payload in it once more by itself, undone where it is base64.
func (o *operator) stored() []byte {
	t := o.t
	c, err := client.Dial(client.Options{HostPort: o.env["TEMPORAL_ADDRESS"]})
	require.NoError(t, err)
	defer c.Close()
	var out bytes.Buffer
	payloads := 0
	visit := proxy.VisitPayloadsOptions{Visitor: func(_ *proxy.VisitPayloadsContext, all []*commonpb.Payload) ([]*commonpb.Payload, error) {
		for _, p := range all {
			payloads++
			fmt.Fprintf(&out, "%s\n%s\n", p.GetMetadata(), p.GetData())
			if plain, err := base64.StdEncoding.DecodeString(string(p.GetData())); err == nil {
				out.Write(plain)
			}
		}
		return all, nil
	}}
	runs, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", PageSize: 1000, Query: fmt.Sprintf("TaskQueue = %q", flow.Queue(o.instance))})
	require.NoError(t, err)
	require.Greater(t, len(runs.GetExecutions()), 3)
	for _, run := range runs.GetExecutions() {
		e := run.GetExecution()
		events := c.GetWorkflowHistory(t.Context(), e.GetWorkflowId(), e.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			data, err := proto.Marshal(event)
			require.NoError(t, err)
			out.Write(data)
			require.NoError(t, proxy.VisitPayloads(t.Context(), event, visit))
		}
	}
	require.Greater(t, payloads, 20)
	return out.Bytes()
}

// recorder keeps everything that the process answers, whatever asks.
type recorder struct {
	next http.RoundTripper
	mu   sync.Mutex
	all  bytes.Buffer
}

// RoundTrip implements [http.RoundTripper].
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := r.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close() // it was read
	answer.Body = io.NopCloser(bytes.NewReader(body))
	header := answer.Header.Clone()
	header.Del("Set-Cookie") // a session's own secret goes to its browser
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(&r.all, "%s %s\n%s\n%s\n", request.Method, answer.Status, header, body)
	return answer, err
}

// gossip is an issuer that repeats in its errors whatever it was sent.
type gossip struct {
	*httptest.Server
	mu   sync.Mutex
	sent string
}

func newGossip(t *testing.T) *gossip {
	t.Helper()
	g := &gossip{}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(m{"issuer": g.URL, "authorization_endpoint": g.URL + "/authorize", "token_endpoint": g.URL + "/token", "jwks_uri": g.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // what is malformed is repeated as it is
		user, password, _ := r.BasicAuth()
		g.mu.Lock()
		g.sent += fmt.Sprintf("%s %s %s", user, password, r.Form)
		said := g.sent
		g.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(m{"error": "invalid_grant", "error_description": said})
	})
	g.Server = httptest.NewTLSServer(mux)
	t.Cleanup(g.Close)
	return g
}

// TestServeKeepsSecrets gives every kind of secret through API and page, in its place, in wrong
// places and to be refused, and looks for each in all that is written and answered.
func TestServeKeepsSecrets(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	issuer := newGossip(t)
	o.write("issuer.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw})))
	const clientSecret = "canary-of-the-oidc-client"
	o.write("client.secret", clientSecret)
	p := o.serveWith(o.env["TEMPORAL_ADDRESS"], fmt.Sprintf("issuer: {url: %q, audiences: [api], caFile: issuer.pem, clientId: page, clientSecretFile: client.secret, roles: {owner: owner}}\n", issuer.URL))
	answers := &recorder{next: p.transport()}
	p.client = &http.Client{Timeout: time.Minute, Transport: answers}

	password := strings.TrimSpace(readAll(t, o.env["LAB_SHARE_PASSWORD_FILE"]))
	materials := map[string]sealtest.Material{}
	secrets := map[string]string{"token": p.token, "OIDC client secret": clientSecret}
	for _, material := range sealtest.Materials(t, time.Now()) {
		materials[material.Name] = material
		if material.Secret != "" {
			secrets["part of "+material.Name] = material.Secret
		}
	}
	symmetric, locked := string(materials["symmetric key"].Data), materials["PFX with password"].Data
	secrets["middle of the PFX"], secrets["password of the PFX"] = string(locked[1000:1060]), "canary-of-the-pfx"
	inSettings := map[string]string{"share password": password, "wrong share password": "canary-wrong-password", "wrong password on the page": "canary-on-the-page"}

	// The API: in the right place and refused, in wrong places, and as who calls.
	wanted := m{"path": o.env["LAB_SHARE"], "userName": o.env["LAB_SHARE_USER"], "password": inSettings["wrong share password"], "encryptionKeyBase64": symmetric}
	begun := p.askAt("2016-05-01", http.MethodPut, "", store(wanted))
	require.Equal(t, http.StatusConflict, p.done(begun).status)
	wanted["password"] = password
	require.Equal(t, http.StatusOK, p.done(p.askAt("2016-05-01", http.MethodPut, "", store(wanted))).status)
	made := p.done(p.ask(http.MethodPost, "/createBackup", nil))
	require.Equal(t, http.StatusOK, made.status, "%s", made.body)
	misplaced := []sealtest.Material{materials["PFX with password"], materials["certificate and private key"], materials["age key file"]}
	for _, material := range misplaced {
		a := p.ask(http.MethodPut, "", store(m{"encryptionCertBase64": base64.StdEncoding.EncodeToString(material.Data)}))
		require.Equal(t, http.StatusBadRequest, a.status, "%s: %s", material.Name, a.body)
	}
	newest := o.listed()[0].BackupID
	for _, body := range []any{
		m{"decryptionCertBase64": base64.StdEncoding.EncodeToString(locked), "decryptionCertPassword": secrets["password of the PFX"]},
		m{"decryptionCertBase64": secrets["password of the PFX"]},
		m{"roleName": secrets["password of the PFX"], "decryptionCertBase64": base64.StdEncoding.EncodeToString(locked)},
	} {
		require.GreaterOrEqual(t, p.ask(http.MethodPost, "/backups/"+string(newest)+"/restore", body).status, 400)
	}
	for _, body := range []any{m{"password": password}, store(m{"passwd": password}), store(m{"password": []string{password}}), m{"properties": m{"password": password}}} {
		require.Equal(t, http.StatusBadRequest, p.ask(http.MethodPut, "", body).status)
	}
	for _, token := range []string{p.token + "x", "ibk_" + strings.Repeat("canary0token", 4)} {
		q := *p
		q.token = token
		require.Equal(t, http.StatusUnauthorized, q.ask(http.MethodGet, "", nil).status)
	}
	secrets["wrong token"] = strings.Repeat("canary0token", 4)

	// The page: a login at the issuer that fails, one with a token in the address, one that is good.
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Timeout: time.Minute, Jar: jar, Transport: answers, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	again := func(do func() (*http.Response, error)) (status int, location, text string) {
		t.Helper()
		require.Eventually(t, func() bool {
			answer, err := do()
			require.NoError(t, err)
			defer func() { _ = answer.Body.Close() }() // only read
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			status, location, text = answer.StatusCode, answer.Header.Get("Location"), string(body)
			return status != http.StatusTooManyRequests
		}, time.Minute, 250*time.Millisecond)
		return status, location, text
	}
	get := func(path string) (int, string, string) {
		t.Helper()
		return again(func() (*http.Response, error) { return browser.Get(p.base + path) })
	}
	post := func(path string, values url.Values) (int, string, string) {
		t.Helper()
		return again(func() (*http.Response, error) { return browser.PostForm(p.base+path, values) })
	}
	_, at, _ := get("/login/issuer?return=/")
	login, err := url.Parse(at)
	require.NoError(t, err)
	_, at, _ = get("/login/callback?code=canary-code-of-the-issuer&state=" + url.QueryEscape(login.Query().Get("state")))
	require.Contains(t, at, "error=AuthenticationFailed")
	issuer.mu.Lock()
	sent := issuer.sent
	issuer.mu.Unlock()
	require.Contains(t, sent, clientSecret, "nothing was sent that could be repeated")
	secrets["code of the issuer"] = "canary-code-of-the-issuer"
	get(at)
	_, at, _ = post("/login?token="+p.token, url.Values{"return": {"/"}})
	require.Contains(t, at, "error=")
	_, at, _ = post("/login", url.Values{"token": {p.token}, "return": {"/"}})
	require.Equal(t, "/", at)
	serve, err := url.Parse(p.base)
	require.NoError(t, err)
	require.NotEmpty(t, jar.Cookies(serve))
	for _, cookie := range jar.Cookies(serve) {
		secrets["cookie "+cookie.Name] = cookie.Value
	}
	here := "/i/" + o.instance + "/"
	_, at, _ = post(here+"settings/account", url.Values{"username": {o.env["LAB_SHARE_USER"]}, "password": {inSettings["wrong password on the page"]}})
	require.Contains(t, at, "/operations/")
	require.Eventually(t, func() bool { _, _, body := get(at); return strings.Contains(body, "SHARE_AUTH_FAILED") }, time.Minute, 100*time.Millisecond)
	get(here + "settings/account?after=" + strings.TrimPrefix(at, here+"operations/"))
	for _, material := range append(misplaced, materials["symmetric key"], materials["damaged recipient and age key"]) {
		status, _, _ := post(here+"settings/key", url.Values{"recipients": {string(material.Data)}})
		require.Equal(t, http.StatusUnprocessableEntity, status, material.Name)
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("certificate", "key.cer")
		require.NoError(t, err)
		_, err = part.Write(material.Data)
		require.NoError(t, err)
		require.NoError(t, form.Close())
		status, _, _ = again(func() (*http.Response, error) {
			return browser.Post(p.base+here+"settings/key", form.FormDataContentType(), bytes.NewReader(body.Bytes()))
		})
		require.Equal(t, http.StatusUnprocessableEntity, status, material.Name)
	}

	// A proof of the key in use, by the holder of the symmetric key.
	var challenges struct{ Value []struct{ Text string } }
	require.NoError(t, json.Unmarshal(p.at(http.MethodPost, p.base+"/api/v1/locations/local/challenges", nil).body, &challenges))
	ids, err := seal.ParseIdentities([]byte(symmetric))
	require.NoError(t, err)
	answer, err := seal.AnswerChallenge([]byte(challenges.Value[0].Text), ids)
	require.NoError(t, err)
	secrets["answer to a challenge"] = answer.Reveal()
	proven := p.at(http.MethodPost, p.base+"/api/v1/locations/local/challenges/answer", m{"answer": answer.Reveal()})
	require.Equal(t, http.StatusOK, proven.status, "%s", proven.body)
	require.GreaterOrEqual(t, p.at(http.MethodPost, p.base+"/api/v1/locations/local/challenges/answer", m{"answer": answer.Reveal()}).status, 400)
	for _, path := range []string{"", "backups", "alerts", "settings", "settings/share", "settings/account", "settings/key", "settings/proof", "history", "schedule"} {
		get(here + path)
	}
	for _, path := range []string{"status", "history", "alerts", "backups"} {
		p.at(http.MethodGet, p.base+"/api/v1/locations/local/"+path, nil)
	}

	codecLog := o.file("codec.log")
	decoded := o.decodedHistories(codecLog)
	require.Contains(t, string(decoded), inSettings["wrong share password"], "nothing would be found there")
	requireNoneOf(t, secrets, map[string][]byte{"the decrypted histories": decoded})
	require.Eventually(t, func() bool { return bytes.Contains(o.traces.received(), []byte(flow.ProbeShare.Name)) }, time.Minute, 50*time.Millisecond, "nothing would be found in the traces")
	answers.mu.Lock()
	places := map[string][]byte{
		"log of serve": []byte(readAll(t, p.log)), "log of the worker": []byte(readAll(t, o.log)), "log of the codec server": []byte(readAll(t, codecLog)),
		"traces": o.traces.received(), "answers": answers.all.Bytes(), "histories": o.stored(),
	}
	answers.mu.Unlock()
	require.Contains(t, string(places["log of serve"]), "createBackup", "nothing would be found there")
	for name, secret := range inSettings {
		secrets[name] = secret
	}
	database, err := filepath.Glob(o.env["LAB_TEMPORAL_DB"] + "*")
	require.NoError(t, err)
	require.NotEmpty(t, database)
	plain := map[string][]byte{}
	for name, secret := range secrets {
		plain[name] = []byte(secret)
	}
	for _, file := range database { // large, and shared by all tests: the histories are searched for every disguise
		requireNowhere(t, plain, map[string][]byte{file: []byte(readAll(t, file))})
	}
	for _, pattern := range []string{o.file("state/*"), o.file("spool/*/*"), filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, "*"), filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, "*", "*", "*"), "/proc/[0-9]*/cmdline"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil { // a process may have ended
				places[file] = data
			}
		}
	}
	requireNoneOf(t, secrets, places)
}

// TestDisguisesAreFound: the search finds a secret wherever it begins in what was encoded.
func TestDisguisesAreFound(t *testing.T) {
	const secret = "canary-wrong-password"
	found := func(data string) bool {
		for _, text := range disguises(secret) {
			if strings.Contains(data, string(text)) {
				return true
			}
		}
		return false
	}
	for before := range 5 {
		for behind := range 5 {
			text := strings.Repeat("<", before) + secret + strings.Repeat(">", behind)
			require.True(t, found(text))
			require.True(t, found(base64.StdEncoding.EncodeToString([]byte(text))), "%d %d", before, behind)
			require.True(t, found(base64.URLEncoding.EncodeToString([]byte(text))))
			require.True(t, found(hex.EncodeToString([]byte(text))))
		}
	}
	require.False(t, found("canary-wrong-passw0rd"))
}
