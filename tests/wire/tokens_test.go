package wire_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/auth"
	"infrabackup/internal/board"
	"infrabackup/internal/provider"
	"infrabackup/internal/recovery"
	"infrabackup/internal/rp"
)

// door is the API behind the listener, with the callers of the product.
type door struct {
	t     *testing.T
	l     *listening
	log   lines
	texts []string // of all tokens
}

func openDoor(t *testing.T) *door {
	t.Helper()
	d := &door{t: t}
	logger := slog.New(slog.NewJSONHandler(&d.log, nil))
	t.Cleanup(func() { // after the listener has ended, and has logged everything
		for _, text := range d.texts {
			require.NotContains(t, d.log.String(), text)
			require.NotContains(t, d.log.String(), text[len(text)-20:])
		}
	})
	d.l = listen(t, logger)
	shown := &fakeBoard{snapshot: &board.Snapshot{AsOf: time.Now()}}
	api, err := rp.New(rp.Options{
		BaseURL: d.l.URL, SubscriptionID: subscription, Instances: map[string]rp.Instance{"local": {Board: shown, Control: newFakeControl(shown, time.Now), Plans: &recovery.Plans{}, Diffs: recovery.Diffs{}}},
		Caller: provider.Caller, Tokens: provider.APITokens(d.l.tokens), Logger: logger,
	})
	require.NoError(t, err)
	d.l.serve(t, api)
	return d
}

// as makes a token of a role in another way than through the API.
func (d *door) as(role auth.Role) string {
	d.t.Helper()
	_, text, err := d.l.tokens.Create(d.t.Context(), auth.NewToken{Name: "first", Role: role, Owner: "test", Lifetime: auth.MaxTokenLifetime})
	require.NoError(d.t, err)
	d.texts = append(d.texts, text.Reveal())
	return text.Reveal()
}

func (d *door) do(token, method, path string, body any) answer {
	d.t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		data, err := json.Marshal(body)
		require.NoError(d.t, err)
		text = string(data)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.l.URL+path, strings.NewReader(text))
	require.NoError(d.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := d.l.plain.Do(r)
	require.NoError(d.t, err)
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	require.NoError(d.t, err)
	a := answer{status: response.StatusCode, header: response.Header, text: string(data)}
	_ = json.Unmarshal(data, &a.json)
	return a
}

// made makes a token through the API.
func (d *door) made(owner, name string, role auth.Role) (id, text string) {
	d.t.Helper()
	a := d.do(owner, "POST", "/api/v1/tokens", map[string]any{"name": name, "role": role})
	require.Equal(d.t, http.StatusCreated, a.status, a.text)
	id, _ = a.property("id").(string)
	text, _ = a.property("token").(string)
	require.NotEmpty(d.t, text)
	d.texts = append(d.texts, text)
	return id, text
}

const tokensPath = "/api/v1/tokens"

// TestATokenIsShownOnce, and is what its list says until it ends.
func TestATokenIsShownOnce(t *testing.T) {
	d, documented := openDoor(t), served(t, start(t))
	owner := d.as(auth.Owner)
	a := d.do(owner, "POST", tokensPath, map[string]any{"name": "monitor – Ost", "role": "reader", "lifetimeHours": 2})
	require.Equal(t, http.StatusCreated, a.status, a.text)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	holds(t, documented.schema(t, tokensPath, "post", "201"), a.text)
	id, text := a.property("id").(string), a.property("token").(string)
	d.texts = append(d.texts, text)

	require.Equal(t, http.StatusOK, d.do(text, "GET", "/api/v1/locations", nil).status, "it lets in at once")
	list := d.do(owner, "GET", tokensPath, nil)
	require.Equal(t, http.StatusOK, list.status)
	holds(t, documented.schema(t, tokensPath, "get", "200"), list.text)
	require.Contains(t, list.text, `"name":"monitor – Ost","role":"reader"`)
	require.Regexp(t, `"lastUsed":"[0-9]`, list.text)
	kept, err := os.ReadFile(d.l.file)
	require.NoError(t, err)
	for _, shown := range []string{list.text, string(kept)} {
		require.Contains(t, shown, id)
		require.NotContains(t, shown, text)
		require.NotContains(t, shown, text[len(text)-20:])
	}
	require.NotContains(t, list.text, "sha256")
	info, err := os.Stat(d.l.file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := auth.OpenTokens(t.Context(), auth.TokensConfig{Path: d.l.file})
	require.NoError(t, err)
	all, err := again.List(t.Context())
	require.NoError(t, err)
	require.Contains(t, ids(all), id, "a process that begins now has it, however the other one ended")

	// Its name is its own as long as it is good.
	taken := func() answer {
		return d.do(owner, "POST", tokensPath, map[string]any{"name": "monitor – Ost", "role": "owner"})
	}
	a = taken()
	require.Equal(t, http.StatusConflict, a.status)
	require.Equal(t, "TokenNameTaken", a.code())
	d.l.ahead.Store(int64(2*time.Hour + time.Minute))
	a = d.do(text, "GET", "/api/v1/locations", nil)
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Equal(t, auth.CodeExpiredToken, a.code())
	require.Equal(t, http.StatusCreated, taken().status)
}

func ids(all []auth.Token) (out []string) {
	for _, one := range all {
		out = append(out, one.ID)
	}
	return out
}

// TestARevokedTokenLetsNobodyIn, and stays in the list for a while.
func TestARevokedTokenLetsNobodyIn(t *testing.T) {
	d, documented := openDoor(t), served(t, start(t))
	owner := d.as(auth.Owner)
	id, text := d.made(owner, "monitor", auth.Operator)
	a := d.do(owner, "DELETE", tokensPath+"/"+id, nil)
	require.Equal(t, http.StatusOK, a.status, a.text)
	holds(t, documented.schema(t, tokensPath+"/{token}", "delete", "200"), a.text)
	require.Regexp(t, `"revoked":"[0-9]`, a.text)
	refused := d.do(text, "GET", "/api/v1/locations", nil)
	require.Equal(t, http.StatusUnauthorized, refused.status)
	require.Equal(t, auth.CodeInvalidToken, refused.code())
	second := d.do(owner, "DELETE", tokensPath+"/"+id, nil)
	require.Equal(t, http.StatusOK, second.status)
	require.Equal(t, a.property("revoked"), second.property("revoked"), "a second time changes nothing")
	require.Contains(t, d.do(owner, "GET", tokensPath, nil).text, id)
	d.made(owner, "monitor", auth.Operator)

	for _, other := range []string{"abcdefgh", "x", text, "..", strings.Repeat("a", 300)} {
		a = d.do(owner, "DELETE", tokensPath+"/"+other, nil)
		require.Equal(t, http.StatusNotFound, a.status, other)
		require.NotContains(t, a.text, text)
	}
	a = d.do(owner, "DELETE", tokensPath+"/"+id, map[string]any{"force": true})
	require.Equal(t, http.StatusBadRequest, a.status, "a body that nobody reads")
	own := ""
	for _, one := range d.do(owner, "GET", tokensPath, nil).json["value"].([]any) {
		if one := one.(map[string]any); one["name"] == "first" {
			own = one["id"].(string)
		}
	}
	require.Equal(t, http.StatusOK, d.do(owner, "DELETE", tokensPath+"/"+own, nil).status)
	require.Equal(t, http.StatusUnauthorized, d.do(owner, "GET", tokensPath, nil).status, "also the one that it was sent with")
}

// TestOnlyOwnersManageTokens, and every request is in the audit: who, what and which token.
func TestOnlyOwnersManageTokens(t *testing.T) {
	d := openDoor(t)
	owner := d.as(auth.Owner)
	id, _ := d.made(owner, "monitor", auth.Reader)
	requests := []struct {
		method, path string
		body         any
	}{{"GET", tokensPath, nil}, {"POST", tokensPath, map[string]any{"name": "x", "role": "reader"}}, {"DELETE", tokensPath + "/" + id, nil}}
	for _, role := range []auth.Role{auth.Reader, auth.Operator} {
		token := d.as(role)
		for _, r := range requests {
			a := d.do(token, r.method, r.path, r.body)
			require.Equal(t, http.StatusForbidden, a.status, "%s %s %s", role, r.method, r.path)
			require.Equal(t, auth.CodeAuthorizationFailed, a.code())
			require.Contains(t, a.text, string(auth.ManageTokens))
		}
	}
	for _, r := range requests {
		require.Equal(t, http.StatusUnauthorized, d.do("nonsense", r.method, r.path, r.body).status)
	}
	require.Contains(t, d.do(owner, "GET", tokensPath, nil).text, `"revoked":null`, "nothing was changed")
	require.Equal(t, http.StatusOK, d.do(owner, "DELETE", tokensPath+"/"+id, nil).status)
	require.Eventually(t, func() bool {
		seen := map[string]string{}
		for line := range strings.Lines(d.log.String()) {
			var l struct{ Msg, Method, Action, Result, Object, Who string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "audit" && l.Action == string(auth.ManageTokens) && strings.HasPrefix(l.Who, "token:") {
				seen[l.Method+" "+l.Result] = l.Object
			}
		}
		return seen["POST succeeded"] == id && seen["DELETE succeeded"] == id && len(seen) == 6 // and the list, and three refusals
	}, 10*time.Second, 10*time.Millisecond)
}

// TestNobodyMakesATokenAboveTheirRole, whatever the policy says of who may make any.
func TestNobodyMakesATokenAboveTheirRole(t *testing.T) {
	h := start(t)
	h.caller.role = auth.Operator
	for role, status := range map[auth.Role]int{auth.Reader: 201, auth.Operator: 201, auth.Owner: 403} {
		a := h.do("POST", tokensPath, "", map[string]any{"name": "for " + string(role), "role": role})
		require.Equal(t, status, a.status, a.text)
		if status == 403 {
			require.Equal(t, "TokenRoleTooHigh", a.code())
			require.Equal(t, "role", a.property("error", "target"))
		}
	}
	require.NotContains(t, h.do("GET", tokensPath, "", nil).text, "for owner")
}

// TestWhatIsNoTokenIsRefused, by the member that is wrong, and nothing is made.
func TestWhatIsNoTokenIsRefused(t *testing.T) {
	h := start(t)
	before := h.do("GET", tokensPath, "", nil).text
	good := func(member string, value any) map[string]any {
		body := map[string]any{"name": "monitor", "role": "reader", "lifetimeHours": 24}
		if body[member] = value; value == nil {
			delete(body, member)
		}
		return body
	}
	for name, tc := range map[string]struct {
		body   any
		status int
		target any
	}{
		"nothing":              {nil, 400, nil},
		"no JSON":              {"name=monitor", 400, nil},
		"a list":               {[]any{good("name", "x")}, 400, nil},
		"two documents":        {`{"name":"a","role":"reader"}{}`, 400, nil},
		"a member twice":       {`{"name":"a","Name":"b","role":"reader"}`, 400, "Name"},
		"no name":              {good("name", nil), 400, "name"},
		"an empty name":        {good("name", ""), 400, "name"},
		"blanks":               {good("name", "  "), 400, "name"},
		"a number as name":     {good("name", 7), 400, "name"},
		"a line feed":          {good("name", "a\nb"), 400, "name"},
		"right to left":        {good("name", "a\u202eb"), 400, "name"},
		"a long name":          {good("name", strings.Repeat("x", 65)), 400, "name"},
		"no role":              {good("role", nil), 400, "role"},
		"an unknown role":      {good("role", "root"), 400, "role"},
		"a role in capitals":   {good("role", "Owner"), 400, "role"},
		"a list of roles":      {good("role", []string{"reader"}), 400, "role"},
		"no time":              {good("lifetimeHours", 0), 400, "lifetimeHours"},
		"for ever":             {good("lifetimeHours", -1), 400, "lifetimeHours"},
		"longer than a year":   {good("lifetimeHours", 8761), 400, "lifetimeHours"},
		"a part of an hour":    {good("lifetimeHours", 1.5), 400, "lifetimeHours"},
		"more than fits":       {`{"name":"a","role":"reader","lifetimeHours":99999999999999999999}`, 400, "lifetimeHours"},
		"an unknown member":    {good("owner", "anna"), 400, "owner"},
		"a token of their own": {good("token", "ibk_x"), 400, "token"},
		"too much":             {good("name", strings.Repeat("x", 70<<10)), 413, nil},
	} {
		a := h.do("POST", tokensPath, "", tc.body)
		require.Equal(t, tc.status, a.status, "%s: %s", name, a.text)
		require.Equal(t, tc.target, a.property("error", "target"), name)
		require.NotContains(t, a.text, "ibk_")
	}
	require.Equal(t, before, h.do("GET", tokensPath, "", nil).text)
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.server.URL+tokensPath, bytes.NewReader([]byte("name=x")))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusUnsupportedMediaType, h.send(r).status)
}
