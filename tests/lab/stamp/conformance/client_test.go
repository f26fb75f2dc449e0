package conformance_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp/conformance"
)

// token asks for one for the audience of a resource manager or of its vaults.
func (w *walker) token(base string, plane conformance.Plane) string {
	key := base + string(plane)
	if w.tokens[key] != "" {
		return w.tokens[key]
	}
	var metadata struct{ Authentication struct{ Audiences []string } }
	w.decode(w.do(http.MethodGet, base+"/metadata/endpoints?api-version=2015-01-01", "", nil), &metadata)
	audience := metadata.Authentication.Audiences[0]
	if plane == conformance.Vault {
		_, rest, _ := strings.Cut(strings.TrimPrefix(audience, "https://"), ".")
		audience = "https://vault." + rest
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	w.decode(w.do(http.MethodPost, w.s.AuthorityURL()+"adfs/oauth2/token", "", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {w.s.ClientID()}, "client_secret": {w.s.ClientSecret()}, "resource": {audience},
	}), &token)
	require.NotEmpty(w.t, token.AccessToken)
	w.tokens[key] = token.AccessToken
	return token.AccessToken
}

type answer struct {
	status int
	body   []byte
}

func (w *walker) do(method, address, token string, form url.Values) answer {
	request, err := http.NewRequestWithContext(w.t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(w.t, err)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := w.http.Do(request)
	require.NoError(w.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	return answer{response.StatusCode, body}
}

func (w *walker) decode(a answer, to any) {
	require.Equal(w.t, 200, a.status, string(a.body))
	require.NoError(w.t, json.Unmarshal(a.body, to))
}
