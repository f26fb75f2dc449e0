package portal_test

import (
	"net/http"
	"net/url"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
)

// TestOnlyTheConfirmationChangesAKey: a step that does not exist is no way around the fresh
// login or the confirmation.
func TestOnlyTheConfirmationChangesAKey(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	page := s.follow(t, s.post("/i/north/settings/key", url.Values{"recipients": {identity.Recipient().String()}}))
	s.follow(t, s.post("/i/north/settings/key/proof", url.Values{"answer": {answerOf(t, challengesOf(t, page)[0], identity)}}))
	for _, step := range []string{"x", "check", "share", "account", "key", "Confirm", "proof%20"} {
		require.Equal(t, http.StatusNotFound, s.get("/i/north/settings/key/"+step).Code, step)
		w := s.post("/i/north/settings/key/"+step, url.Values{"confirm": {"north"}})
		require.Equal(t, http.StatusNotFound, w.Code, step)
		checkPage(t, step, w.Body.String())
	}
	s.session.Old = true
	for _, path := range []string{"settings/key/x", "settings/key/account", "settings/key/confirm", "enable/x", "enable/check"} {
		s.post("/i/north/"+path, url.Values{"confirm": {"north"}})
	}
	require.Contains(t, s.post("/i/north/settings/key/x", nil).Header().Get("Location"), "fresh=1", "an unknown step counts as one that begins")
	require.Empty(t, s.control.Calls())
}
