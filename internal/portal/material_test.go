package portal_test

import (
	"bytes"
	"html"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/portal/portaltest"
	"infrabackup/internal/seal/sealtest"
)

// upload is a file that a form is sent with.
type upload struct {
	field, name string
	data        []byte
}

// send posts a form with files, as browsers do.
func (s *site) send(t *testing.T, path string, values map[string]string, files ...upload) *httptest.ResponseRecorder {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range values {
		require.NoError(t, form.WriteField(name, value))
	}
	for _, f := range files {
		part, err := form.CreateFormFile(f.field, f.name)
		require.NoError(t, err)
		_, err = part.Write(f.data)
		require.NoError(t, err)
	}
	require.NoError(t, form.Close())
	r := httptest.NewRequest(http.MethodPost, path, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return s.do(r)
}

// TestEveryKindOfMaterial: whatever is chosen or pasted for a key is read as that key, or
// refused at its field, and no part of what may be secret comes back.
func TestEveryKindOfMaterial(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	for _, m := range sealtest.Materials(t, portaltest.Now) {
		for way, w := range map[string]*httptest.ResponseRecorder{
			"f-certificate": s.send(t, "/i/north/settings/key", nil, upload{"certificate", "key.cer", m.Data}),
			"f-recipients":  s.send(t, "/i/north/settings/key", map[string]string{"recipients": string(m.Data)}, upload{"certificate", "", nil}),
		} {
			t.Run(m.Name+" "+way, func(t *testing.T) {
				if way == "f-recipients" && !m.IsText() {
					require.Equal(t, http.StatusUnprocessableEntity, w.Code)
					return
				}
				body := w.Body.String()
				if m.Recipient != "" {
					require.Len(t, challengesOf(t, s.follow(t, w)), 1)
					require.True(t, strings.Contains(html.UnescapeString(s.get("/i/north/settings/key").Body.String()), m.Recipient))
					return
				}
				require.Equal(t, http.StatusUnprocessableEntity, w.Code, "%s", body)
				checkPage(t, m.Name, body)
				require.Contains(t, body, `id="`+way+`-error"`)
				if m.Secret != "" {
					require.False(t, strings.Contains(html.UnescapeString(body), m.Secret))
				}
			})
		}
	}
	require.Empty(t, s.control.Calls())
}

// TestNoFileIsDropped: a file that cannot be read as one is refused, also when there is text
// that could be taken instead.
func TestNoFileIsDropped(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	all := sealtest.Materials(t, portaltest.Now)
	text := map[string]string{"recipients": all[0].Recipient}
	certificate := upload{"certificate", "key.cer", all[4].Data}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"an empty one": s.send(t, "/i/north/settings/key", text, upload{"certificate", "key.cer", nil}),
		"two":          s.send(t, "/i/north/settings/key", text, certificate, certificate),
		"as text":      s.post("/i/north/settings/key", url.Values{"recipients": {all[0].Recipient}, "certificate": {"-----BEGIN CERTIFICATE-----"}}),
	} {
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, name)
		require.Contains(t, w.Body.String(), `id="f-certificate-error"`, name)
		require.Contains(t, w.Body.String(), all[0].Recipient, "%s: what was typed is lost", name)
	}
	require.Equal(t, http.StatusSeeOther, s.send(t, "/i/north/settings/key", text, upload{"certificate", "", nil}).Code, "browsers send this where no file is chosen")
	secret := all[len(all)-2]
	w := s.send(t, "/i/north/settings/key", map[string]string{"recipients": string(secret.Data)}, upload{"certificate", "key.cer", []byte("x")})
	require.NotContains(t, w.Body.String(), secret.Secret, "it was beside the file")
}

// TestNoPrivateKeyIsKept: what is pasted after the login has ended is kept over the next one,
// unless it may be secret.
func TestNoPrivateKeyIsKept(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	session := s.session
	for _, m := range sealtest.Materials(t, portaltest.Now) {
		if m.Secret == "" || !m.IsText() {
			continue
		}
		s.session, s.cookies = nil, nil
		s.post("/i/north/settings/key", url.Values{"recipients": {string(m.Data)}, "source": {"x"}})
		s.session = session
		require.False(t, strings.Contains(html.UnescapeString(s.get("/i/north/settings/key").Body.String()), m.Secret), m.Name)
	}
}
