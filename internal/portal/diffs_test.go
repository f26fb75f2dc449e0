package portal_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/portal/portaltest"
)

// compare sends the form with one private key or two.
func (s *site) compare(t *testing.T, values url.Values, keys map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, all := range values {
		for _, value := range all {
			require.NoError(t, w.WriteField(name, value))
		}
	}
	for field, key := range keys {
		file, err := w.CreateFormFile(field, "operator.pfx")
		require.NoError(t, err)
		_, err = file.Write([]byte(key))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	r := httptest.NewRequest(http.MethodPost, "/i/north/diffs/new", &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	return s.do(r)
}

func sides() url.Values {
	return url.Values{"a": {string(portaltest.ID(1))}, "b": {string(portaltest.ID(0))}, "service": {"AD", "RBAC"}, "password": {canary}}
}

// TestCompare goes the whole way, as a browser without script does: what is secret or hostile is shown
// as neither.
func TestCompare(t *testing.T) {
	s := newSite(t, "healthy", "operator")
	form := s.get("/i/north/diffs/new").Body.String()
	require.Contains(t, form, string(portaltest.ID(0))+`" selected>`)
	require.Contains(t, s.get("/i/north/backups").Body.String(), "/i/north/diffs/new")

	w := s.compare(t, sides(), map[string]string{"key": canary})
	require.Equal(t, "/i/north/operations/op-diff", leads(w), w.Body)
	require.Contains(t, s.plans.Calls()[0], "by "+s.session.Subject()+": [AD RBAC]")
	require.Equal(t, []string{canary, canary}, s.plans.Keys)

	at := "/i/north/diffs/" + portaltest.DiffID
	body := s.get(at).Body.String()
	for _, part := range []string{"There are differences", "CN=person 0,", "a secret was changed", "Rows 1 to 50 of 71", "4 differences are not listed here", "person 3 &lt;b&gt;", "Not compared: B does not have it"} {
		require.Contains(t, body, part)
	}
	require.Contains(t, s.get(at+"?section=changes&from=50").Body.String(), "Rows 51 to 71 of 71")
	nrp := s.get(at + "?section=changes&service=NRP").Body.String()
	require.Contains(t, nrp, "Rows 1 to 1 of 1")
	require.Contains(t, nrp, "rules[https].access")
	require.Contains(t, s.get(at+"?section=access").Body.String(), "CN=noor,OU=Admins")
	require.Contains(t, s.get(at+"?section=roles").Body.String(), "Backup Reader")
	require.Contains(t, s.get("/i/north/diffs/"+portaltest.SameID).Body.String(), "Nothing differs")
	require.Equal(t, http.StatusNotFound, s.get("/i/north/diffs/x").Code)
}

// TestCompareRefuses at the field that is wrong, and nothing of a key comes back.
func TestCompareRefuses(t *testing.T) {
	s := newSite(t, "healthy", "operator")
	for name, test := range map[string]struct {
		field, value string
		keys         map[string]string
		want         string
	}{
		"no key":                  {"", "", nil, "f-key-error"},
		"the same twice":          {"b", string(portaltest.ID(1)), map[string]string{"key": canary}, "f-b-error"},
		"no backup":               {"a", "", map[string]string{"key": canary}, "f-a-error"},
		"a wrong password":        {"password", "wrong", map[string]string{"key": canary}, "f-password-error"},
		"the other key's":         {"keyOfB-password", "wrong", map[string]string{"key": canary, "keyOfB": canary}, "f-keyOfB-password-error"},
		"an unknown service":      {"service", "DNS", map[string]string{"key": canary}, "A service is not known."},
		"a key that is too large": {"", "", map[string]string{"key": string(make([]byte, 70<<10))}, "too large"},
	} {
		values := sides()
		if test.field != "" {
			values.Set(test.field, test.value)
		}
		w := s.compare(t, values, test.keys)
		require.GreaterOrEqual(t, w.Code, 400, name)
		require.Contains(t, w.Body.String(), test.want, name)
		require.NotContains(t, w.Body.String(), canary, name)
	}
	require.Empty(t, s.plans.Calls())
}

// TestReadersCompareNothing: neither the form nor what was found is for them.
func TestReadersCompareNothing(t *testing.T) {
	s := newSite(t, "healthy", "reader")
	for _, path := range []string{"diffs/new", "diffs/" + portaltest.DiffID} {
		w := s.get("/i/north/" + path)
		require.Equal(t, http.StatusForbidden, w.Code, path)
		require.NotContains(t, w.Body.String(), "CN=person")
	}
	require.Equal(t, http.StatusForbidden, s.compare(t, sides(), map[string]string{"key": canary}).Code)
	require.NotContains(t, s.get("/i/north/backups").Body.String(), "diffs/new")
}
