package auth

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// maxUsedStates bounds how many answered logins are remembered, each for ten minutes.
	maxUsedStates = 10_000
	// maxLoginCookie is more than a login's cookie can have, and less than browsers take.
	maxLoginCookie = 3000

	loginFields = 6
)

// loginSealer makes the cookie that holds a pending login. The browser keeps it, so that
// callers whom nobody knows take no memory here and cannot push out each other's logins. The
// key is drawn when the process starts, and is good for the logins of that process.
type loginSealer struct {
	random io.Reader
	aead   cipher.AEAD
}

func newLoginSealer(random io.Reader) (*loginSealer, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, err
	}
	// Anybody may begin logins: with the long nonce, random ones do not collide however many.
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	return &loginSealer{random: random, aead: aead}, nil
}

// seal returns the cookie of a login.
func (l *loginSealer) seal(login pendingLogin) (string, error) {
	nonce := make([]byte, l.aead.NonceSize())
	if _, err := io.ReadFull(l.random, nonce); err != nil {
		return "", err
	}
	// None of the fields has a line break: a local path has none, and the others are random
	// texts and numbers.
	text := strings.Join([]string{login.state, login.nonce, login.verifier, strconv.FormatInt(login.began.UnixNano(), 10), strconv.FormatBool(login.fresh), login.returnTo}, "\n")
	return base64.RawURLEncoding.EncodeToString(l.aead.Seal(nonce, nonce, []byte(text), []byte(loginCookie))), nil
}

// open returns the login of a cookie that seal has made.
func (l *loginSealer) open(cookie string) (pendingLogin, bool) {
	if len(cookie) > maxLoginCookie {
		return pendingLogin{}, false
	}
	data, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(data) < l.aead.NonceSize() {
		return pendingLogin{}, false
	}
	nonce, sealed := data[:l.aead.NonceSize()], data[l.aead.NonceSize():]
	text, err := l.aead.Open(nil, nonce, sealed, []byte(loginCookie))
	if err != nil {
		return pendingLogin{}, false
	}
	fields := strings.SplitN(string(text), "\n", loginFields)
	if len(fields) != loginFields {
		return pendingLogin{}, false
	}
	began, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return pendingLogin{}, false
	}
	return pendingLogin{state: fields[0], nonce: fields[1], verifier: fields[2], began: time.Unix(0, began), fresh: fields[4] == "true", returnTo: fields[5]}, true
}

// usedStates remembers which logins were answered, by the hash of their state, until they
// would be too old anyway.
type usedStates struct {
	mu     sync.Mutex
	byHash map[[sha256.Size]byte]struct{}
	order  []usedState // by time of use
}

type usedState struct {
	hash  [sha256.Size]byte
	until time.Time
}

// use notes that a login is answered, and reports whether it is the first time. When too many
// are remembered the oldest is forgotten: nobody is kept out, and what is forgotten is of no
// use without the code, which the issuer takes back once.
func (u *usedStates) use(login pendingLogin, now time.Time) bool {
	hash := sha256.Sum256([]byte(login.state))
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.order) > 0 && (len(u.order) >= maxUsedStates || now.After(u.order[0].until)) {
		delete(u.byHash, u.order[0].hash)
		u.order = u.order[1:]
	}
	if _, used := u.byHash[hash]; used {
		return false
	}
	if u.byHash == nil {
		u.byHash = map[[sha256.Size]byte]struct{}{}
	}
	u.byHash[hash] = struct{}{}
	u.order = append(u.order, usedState{hash: hash, until: login.began.Add(loginTimeout)})
	return true
}
