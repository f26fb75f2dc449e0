package stamp

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
)

// Access is what a client wants to do.
type Access struct {
	// Endpoint is tenant or admin, and "vault" for the data plane of key vaults.
	Endpoint inventory.Endpoint
	// Host is the host's name without the port, in lower case.
	Host string
	// Method and Path are the request's own.
	Method, Path string
	// Action is what a role would have to allow, such as
	// Microsoft.Network/virtualNetworks/read; for vaults it is kind and permission as in
	// access policies, such as secrets/get.
	Action string
}

// Client is an application that AD FS knows.
type Client struct {
	// ID is its client ID. Vaults find it in their access policies by this ID.
	ID string
	// Secret and Certificate prove who it is; either may be missing.
	Secret      string
	Certificate *x509.Certificate
	// Deny says what the client may not do, nil for nothing.
	Deny func(r Access) bool
}

// tokenLife is how long a token lasts, AD FS's default.
const tokenLife = time.Hour

// maxTokens bounds how many tokens are remembered; beyond it the oldest are forgotten.
const maxTokens = 10_000

// token is what an opaque bearer string stands for.
type token struct {
	client, audience string
	expires          time.Time
}

// identity knows clients and tokens.
type identity struct {
	mu      sync.RWMutex
	clients map[string]*Client
	tokens  map[string]token
	order   []string // tokens, oldest first
	// id and secret are the all-reading client's.
	id, secret string
}

func newIdentity() *identity {
	i := &identity{clients: map[string]*Client{}, tokens: map[string]token{}, id: newGUID(), secret: newSecret()}
	i.clients[i.id] = &Client{ID: i.id, Secret: i.secret}
	return i
}

// newSecret draws 256 bits.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// randomBelow draws a number below a limit, which is not 0.
func randomBelow(limit uint64) uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.NativeEndian.Uint64(b[:]) % limit
}

// ClientID is the ID of a client that may read everything, and write.
func (s *Stamp) ClientID() string { return s.identity.id }

// ClientSecret is the secret of the client that may read everything.
func (s *Stamp) ClientSecret() string { return s.identity.secret }

// AddClient registers a client, replacing the one with the same ID.
func (s *Stamp) AddClient(c Client) {
	s.identity.mu.Lock()
	defer s.identity.mu.Unlock()
	s.identity.clients[c.ID] = &c
}

// Deny changes what a client may not do from now on, nil for nothing. Tokens that it
// holds stay good.
func (s *Stamp) Deny(clientID string, deny func(Access) bool) {
	s.identity.mu.Lock()
	defer s.identity.mu.Unlock()
	if c := s.identity.clients[clientID]; c != nil {
		changed := *c
		changed.Deny = deny
		s.identity.clients[clientID] = &changed
	}
}

// client finds a client, nil when there is none.
func (i *identity) client(id string) *Client {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.clients[id]
}

// issue makes a token.
func (i *identity) issue(t token) string {
	bearer := newSecret()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tokens[bearer] = t
	if i.order = append(i.order, bearer); len(i.order) > maxTokens {
		delete(i.tokens, i.order[0])
		i.order = i.order[1:]
	}
	return bearer
}

// lookup finds what a bearer string stands for.
func (i *identity) lookup(bearer string) (token, bool) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	t, ok := i.tokens[bearer]
	return t, ok
}

// expire ends a token now.
func (i *identity) expire(bearer string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if t, ok := i.tokens[bearer]; ok {
		t.expires = time.Time{}
		i.tokens[bearer] = t
	}
}

// denied asks a client's own rule.
func (c *Client) denied(a Access) bool { return c.Deny != nil && c.Deny(a) }
