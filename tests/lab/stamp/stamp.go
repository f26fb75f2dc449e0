package stamp

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
)

// Options say what a stand-in stamp is like. The zero value is an empty stamp.
type Options struct {
	// Domain is <region>.<fqdn>, below which all names lie; "" is local.azurestack.test.
	Domain string
	// Contents is what the stamp holds at the start, nil for nothing.
	Contents *inventory.Stamp
	// PageSize is the number of elements on a page of a resource manager's list, 0 for
	// 500. Vaults give 25, as the definition of their maxresults says.
	PageSize int
	// Listen is the TCP address of the server, "" for a free port of 127.0.0.1. With port
	// 443 the stamp's URLs carry no port, as a real one's.
	Listen string
	// Now is the stamp's clock, nil for time.Now.
	Now func() time.Time
	// Versions are the api-versions that a full type offers, instead of those in the
	// stamp's own table; a type that the table does not have becomes a generic one: its
	// top level is listed in subscriptions and resource groups, its children below their
	// parents. Types of a namespace that ends in .Admin are on the admin endpoint only.
	// A type that only Contents knows becomes a generic one with api-version 2020-01-01.
	Versions map[string][]string
	// TenantID is the directory tenant, "" for that of Contents, or else one that belongs to
	// the domain.
	TenantID string
	// DeploymentID tells a stamp from every other one, "" for that of Contents, or else one
	// that belongs to the domain. A vault's backups open on a stamp of the same deployment only.
	DeploymentID string
}

// Stamp is a running stand-in. All methods may be called from several goroutines.
type Stamp struct {
	domain, port string
	tenant       string // directory tenant
	deployment   string
	now          func() time.Time
	pageSize     int

	server   *http.Server
	dns      *resolver
	ca       []byte
	audience map[inventory.Endpoint]string // and audienceVault
	started  time.Time

	types    *types
	shelves  map[inventory.Endpoint]*shelf
	vaults   *vaults
	identity *identity
	faults   faults
	watch    observers
	work     operations
	journal  journal
	latency  atomic.Pointer[Latency] // nil for none
	// writing is held by who changes more than one document, or looks at others first.
	writing       sync.Mutex
	directory     directory
	registrations registrations
	keySalts      map[string]string // of storage accounts' keys that were made here
	requests      atomic.Int64

	allowance atomic.Pointer[allowed] // nil for none

	done    chan struct{} // closed by Close: lets hung requests go
	closing sync.Once
	running sync.WaitGroup
}

// audienceVault stands beside the two endpoints in Stamp.audience.
const audienceVault inventory.Endpoint = "vault"

// The limits of what the stamp reads from a client.
const (
	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 4 << 20
)

// Start starts a stamp on the loopback. The caller closes it. It refuses contents with
// a document that nobody could ever read: on no endpoint, or with an ID that is none.
func Start(o Options) (*Stamp, error) {
	s := &Stamp{
		domain: strings.ToLower(o.Domain), now: o.Now, pageSize: o.PageSize, done: make(chan struct{}),
		shelves: map[inventory.Endpoint]*shelf{inventory.Tenant: newShelf(), inventory.Admin: newShelf()}, keySalts: map[string]string{},
	}
	if s.domain == "" {
		s.domain = "local.azurestack.test"
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.pageSize <= 0 {
		s.pageSize = 500
	}
	if c := o.Contents; c != nil {
		o.TenantID, o.DeploymentID = cmp.Or(o.TenantID, c.TenantID), cmp.Or(o.DeploymentID, c.DeploymentID)
	}
	if s.tenant = strings.ToLower(o.TenantID); s.tenant == "" {
		s.tenant = tenantID(s.domain)
	}
	if s.deployment = strings.ToLower(o.DeploymentID); s.deployment == "" {
		s.deployment = guidOf("deployment " + s.domain)
	}
	s.started = s.now()
	s.types = newTypes(o.Versions)
	s.identity = newIdentity()
	s.audience = map[inventory.Endpoint]string{}
	tenantGUID := newGUID()
	s.audience[inventory.Tenant] = "https://management.adfs." + s.domain + "/" + tenantGUID
	s.audience[inventory.Admin] = "https://adminmanagement.adfs." + s.domain + "/" + newGUID()
	s.audience[audienceVault] = "https://vault.adfs." + s.domain + "/" + tenantGUID

	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	certificate, ca, err := newCertificate(s.domain)
	if err != nil {
		return nil, fmt.Errorf("make the stamp's certificate: %w", err)
	}
	s.ca = ca
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the stamp: %w", err)
	}
	address := listener.Addr().(*net.TCPAddr)
	if s.port = ""; address.Port != 443 {
		s.port = ":" + strconv.Itoa(address.Port)
	}
	s.vaults = newVaults(s)
	if err := s.load(o.Contents); err != nil {
		listener.Close()
		return nil, err
	}
	if s.dns, err = newResolver(s.domain, address.IP); err != nil {
		listener.Close()
		return nil, err
	}
	s.server = &http.Server{
		Handler: http.HandlerFunc(s.serve), TLSConfig: serverTLS(certificate), MaxHeaderBytes: maxHeaderBytes,
		ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 5 * time.Minute,
		// Clients that give up and faults that cut connections are this server's daily work.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.running.Go(func() { s.dns.run() })
	s.running.Go(func() { _ = s.server.ServeTLS(listener, "", "") })
	return s, nil
}

// Close stops the stamp, cuts all connections and waits for its goroutines.
func (s *Stamp) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.done)
		err = s.server.Close()
		if closeErr := s.dns.close(); err == nil {
			err = closeErr
		}
		s.running.Wait()
	})
	return err
}

// load stores what the stamp holds at its start.
func (s *Stamp) load(contents *inventory.Stamp) error {
	if contents == nil {
		return nil
	}
	for _, d := range contents.Documents {
		shelf, ok := s.shelves[d.Endpoint]
		if !ok {
			return fmt.Errorf("document %s: no endpoint %q", d.ID, d.Endpoint)
		}
		place := parsePath(d.ID)
		if place.typ == "" {
			return fmt.Errorf("document %s: this is no ID of a resource", d.ID)
		}
		if s.types.find(place.typ, d.Endpoint) == nil {
			// The document's own type has the case that people want to see.
			name := place.typ
			if strings.EqualFold(name, d.Type) {
				name = d.Type
			}
			if s.types.offer(name); s.types.find(place.typ, d.Endpoint) == nil {
				return fmt.Errorf("document %s: endpoint %s cannot offer %s", d.ID, d.Endpoint, name)
			}
		}
		shelf.byID[place.path] = s.newEntry(d)
	}
	for _, shelf := range s.shelves {
		shelf.fill()
	}
	for _, o := range contents.VaultObjects {
		s.vaults.put(o)
	}
	for _, o := range contents.DeletedVaultObjects {
		s.vaults.putDeleted(o)
	}
	return nil
}

// host is a name below the stamp's domain with the server's port.
func (s *Stamp) host(name string) string { return name + "." + s.domain + s.port }

// TenantURL is the base of the tenant resource manager, without a slash at its end.
func (s *Stamp) TenantURL() string { return "https://" + s.host("management") }

// AdminURL is the base of the operator's resource manager, without a slash at its end.
func (s *Stamp) AdminURL() string { return "https://" + s.host("adminmanagement") }

// AuthorityURL is AD FS's base, with a slash at its end and without the path "adfs".
func (s *Stamp) AuthorityURL() string { return "https://" + s.host("adfs") + "/" }

// VaultURL is the base of a vault's data plane, without a slash at its end.
func (s *Stamp) VaultURL(vault string) string { return "https://" + s.host(vault+".vault") }

// TenantID is the directory tenant of the stamp.
func (s *Stamp) TenantID() string { return s.tenant }

// DeploymentID tells the stamp from every other one.
func (s *Stamp) DeploymentID() string { return s.deployment }

// Domain is the domain below which all of the stamp's names lie.
func (s *Stamp) Domain() string { return s.domain }

// Resolver is the UDP address of a DNS server that knows the stamp's names.
func (s *Stamp) Resolver() string { return s.dns.address() }

// CA is the certificate that clients trust, as PEM.
func (s *Stamp) CA() []byte { return s.ca }

// Put stores a document, replacing the one with the same ID. Vault URLs without a port
// in its body get the server's port, so that they can be reached. A document of a type
// that the stamp did not offer when it started is kept, but no request reaches it.
func (s *Stamp) Put(d inventory.Document) {
	shelf := s.shelves[d.Endpoint]
	shelf.mu.Lock()
	defer shelf.mu.Unlock()
	shelf.insert(s.newEntry(d))
}

// Delete removes a document and says whether it was there. What lies below it stays,
// so that tests can make orphans.
func (s *Stamp) Delete(endpoint inventory.Endpoint, id string) bool {
	shelf := s.shelves[endpoint]
	shelf.mu.Lock()
	defer shelf.mu.Unlock()
	return shelf.remove(strings.ToLower(id))
}

// Get returns a document as the stamp holds it.
func (s *Stamp) Get(endpoint inventory.Endpoint, id string) (inventory.Document, bool) {
	if e := s.shelves[endpoint].get(strings.ToLower(id)); e != nil {
		return e.doc, true
	}
	return inventory.Document{}, false
}

// PutVaultObject stores a key, secret or certificate, replacing the one of that name.
func (s *Stamp) PutVaultObject(o inventory.VaultObject) { s.vaults.put(o) }

// DeleteVaultObject removes a vault's object for good, without leaving it among the
// deleted ones, and says whether it was there.
func (s *Stamp) DeleteVaultObject(vault, kind, name string) bool {
	return s.vaults.remove(vault, kind, name, false)
}

// Documents are all documents that the stamp holds at the time of the call, the
// tenant's before the operator's, each by ID.
func (s *Stamp) Documents() iter.Seq[inventory.Document] {
	var all []*entry
	for _, endpoint := range []inventory.Endpoint{inventory.Tenant, inventory.Admin} {
		all = append(all, s.shelves[endpoint].below("", "")...)
	}
	return func(yield func(inventory.Document) bool) {
		for _, e := range all {
			if !yield(e.doc) {
				return
			}
		}
	}
}

// VaultObjects are all objects of all vaults at the time of the call, by vault, kind
// and name. Soft-deleted ones are not among them.
func (s *Stamp) VaultObjects() iter.Seq[inventory.VaultObject] {
	all := s.vaults.all()
	return func(yield func(inventory.VaultObject) bool) {
		for _, o := range all {
			if !yield(o) {
				return
			}
		}
	}
}

// Requests is the number of requests that reached the stamp.
func (s *Stamp) Requests() int64 { return s.requests.Load() }

// newGUID draws a version 4 UUID.
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
