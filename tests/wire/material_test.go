package wire_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/seal/sealtest"
)

// TestEveryKindOfMaterial: whatever is sent as a certificate, as a key, or to restore with, is
// read as what it is or refused by its member, without a word of it, and nothing is begun.
func TestEveryKindOfMaterial(t *testing.T) {
	var log *lines
	all := sealtest.Materials(t, time.Date(2026, 11, 28, 10, 30, 0, 0, time.UTC))
	t.Cleanup(func() { // after the listener has ended, and has logged everything
		if t.Failed() {
			return
		}
		text := log.String()
		require.Contains(t, text, `"msg":"audit"`)
		for _, m := range all {
			require.NotContains(t, text, base64.StdEncoding.EncodeToString(m.Data))
			if m.Secret != "" {
				require.NotContains(t, text, m.Secret)
			}
		}
	})
	h := start(t).enable()
	log = &h.log
	restore := place + "/backups/" + string(h.full()) + "/restore"
	for _, m := range all {
		sent := base64.StdEncoding.EncodeToString(m.Data)
		quiet := func(t *testing.T, a answer) {
			t.Helper()
			require.NotContains(t, a.text, sent)
			if m.Secret != "" {
				require.NotContains(t, a.text, m.Secret)
			}
		}
		t.Run(m.Name, func(t *testing.T) {
			for version, member := range map[string]string{"2018-09-01": "encryptionCertBase64", "2021-09-01": "encryptionCertBase64", "2016-05-01": "encryptionKeyBase64"} {
				before := len(h.control.wanted)
				a := h.do("PATCH", place, version, store(map[string]any{member: sent}))
				if version != "2021-09-01" {
					a = h.do("PUT", place, version, store(map[string]any{member: sent}))
				}
				quiet(t, a)
				switch {
				case a.status == http.StatusAccepted && m.Certificate && member == "encryptionCertBase64":
					require.Equal(t, m.Recipient, h.control.wanted[before].Recipients[0].Text)
					h.control.settle()
				case a.status == http.StatusAccepted && member == "encryptionKeyBase64":
					// The base64 of text that looks like nothing else is a key like any other.
					require.True(t, m.Symmetric || m.Name == "private key in PKCS #8, body of PEM alone")
				default:
					require.Equal(t, "KeyInvalid", a.code(), a.text)
					require.Equal(t, in+member, a.property("error", "target"))
					require.Len(t, h.control.wanted, before)
				}
			}
			for _, password := range []string{"", sealtest.PFXPassword} {
				a := h.do("POST", restore, "2018-09-01", map[string]any{"roleName": "", "decryptionCertBase64": sent, "decryptionCertPassword": password})
				quiet(t, a)
				require.NotContains(t, a.text, sealtest.PFXPassword)
				switch {
				case m.Name == "PFX with password" && password == "", m.Name == "PFX without password" && password != "":
					require.Equal(t, "KeyPassword", a.code(), a.text)
				case m.PFX:
					require.Equal(t, 202, a.status, a.text)
				default:
					require.Equal(t, "KeyInvalid", a.code(), a.text)
				}
			}
		})
	}
}
