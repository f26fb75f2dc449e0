package smb

import (
	"reflect"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/share/smb/guard"
)

// followSession gives the guard the session's keys, before the first request within the
// session. The library offers neither the key that the login ended with nor the hash of
// the handshake, so they are read from its fields, and nothing is written there. With
// another version of the library this fails, here or at the first signature.
func followSession(g *guard.Guard, session *smb2.Session, initiator *smb2.NTLMInitiator) error {
	var sessionKey, handshake []byte
	err := contained(func() error {
		login := reflect.ValueOf(initiator).Elem().FieldByName("ntlm").Elem().FieldByName("session").Elem()
		sessionKey = login.FieldByName("exportedSessionKey").Bytes()
		hash := reflect.ValueOf(session).Elem().FieldByName("s").Elem().FieldByName("preauthIntegrityHashValue")
		for i := range hash.Len() {
			handshake = append(handshake, byte(hash.Index(i).Uint()))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return g.TakeKeys(sessionKey, handshake)
}
