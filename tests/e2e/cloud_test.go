package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/controlplane"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// cloud is a stand-in stamp in the test's own process, with the parts of a directory
// and of a CA that its resources refer to.
type cloud struct {
	*stamp.Stamp
	contents   *inventory.Stamp
	source     cloudSource
	principals []string // SIDs
	issuer     *inventory.Issuer
}

// cloudSource says how to read a stamp, in a form that goes to another process.
type cloudSource struct {
	TenantURL, AdminURL, Authority, ClientID, ClientSecret, CA, Resolver string
}

// newCloud starts a stamp.
func newCloud(t *testing.T, resources, dangling int) *cloud {
	t.Helper()
	c := &cloud{issuer: newIssuer(t)}
	for i := range 60 {
		c.principals = append(c.principals, fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 1100+i))
	}
	port, err := lab.FreePort()
	require.NoError(t, err)
	c.contents, err = inventory.Generate(inventory.Options{
		Seed: 7, Resources: resources, Domain: "local.azurestack.test", VaultPort: port, Dangling: dangling,
		Principals: c.principals, Issuer: c.issuer, Now: time.Now(),
	})
	require.NoError(t, err)
	// What is there at the start was made long ago.
	var started atomic.Bool
	c.Stamp, err = stamp.Start(stamp.Options{
		Contents: c.contents, Versions: stamp.UncommonTypes(), Listen: fmt.Sprintf("127.0.0.1:%d", port),
		Now: func() time.Time {
			if started.Load() {
				return time.Now()
			}
			return time.Now().Add(-24 * time.Hour)
		},
	})
	require.NoError(t, err)
	started.Store(true)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	c.source = cloudSource{
		TenantURL: c.TenantURL(), AdminURL: c.AdminURL(), Authority: c.AuthorityURL(), ClientID: c.ClientID(),
		ClientSecret: c.ClientSecret(), CA: string(c.Stamp.CA()), Resolver: c.Resolver(),
	}
	return c
}

// newIssuer makes a CA.
func newIssuer(t *testing.T) *inventory.Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotBefore: time.Now().AddDate(-4, 0, 0), NotAfter: time.Now().AddDate(6, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte("key of the test's CA"),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &inventory.Issuer{Certificate: certificate, Key: key}
}

// directory stands for AD: it has every principal but the dangling ones.
func (c *cloud) directory() *named {
	d := &named{service: backup.AD}
	for _, sid := range c.principals {
		d.aliases = append(d.aliases, "sid:"+strings.ToLower(sid))
	}
	return d
}

// authority stands for the CA.
func (c *cloud) authority() *named {
	return &named{service: backup.CA, aliases: []string{"key-id:" + hex.EncodeToString(c.issuer.Certificate.SubjectKeyId)}}
}

// collectors are the product's, for the six services of the stamp.
func (s cloudSource) collectors() ([]collect.Collector, error) {
	client, err := azure.New(azure.Config{
		TenantURL: s.TenantURL, AdminURL: s.AdminURL, Authority: s.Authority, ClientID: s.ClientID, ClientSecret: secret.New(s.ClientSecret),
		CACertificates: []byte(s.CA), Resolver: s.Resolver,
	})
	if err != nil {
		return nil, err
	}
	return controlplane.Collectors(client, resource.Options{Now: time.Now}), nil
}

// allServices makes an instance whose worker captures the cloud, its directory and its
// CA.
func (c *cloud) allServices(t *testing.T, directory *named) *controller {
	t.Helper()
	collectors, err := c.source.collectors()
	require.NoError(t, err)
	return newController(t, append([]collect.Collector{directory, c.authority()}, collectors...)...)
}

// named is a source of items that others refer to.
type named struct {
	service backup.Service
	aliases []string
	fail    error
}

// Service implements collect.Collector.
func (s *named) Service() backup.Service { return s.service }

// Check implements collect.Collector.
func (s *named) Check(context.Context) error { return s.fail }

// Collect implements collect.Collector.
func (s *named) Collect(_ context.Context, sink collect.Sink) (collect.Capture, error) {
	start := time.Now()
	for i, alias := range s.aliases {
		id := fmt.Sprintf("%06d", i)
		if err := sink.Record(backup.Item{Kind: "thing", ID: id, Name: "thing " + id, Aliases: []string{alias}}, []byte(`{"id":"`+id+`"}`)); err != nil {
			return collect.Capture{}, err
		}
	}
	return collect.Capture{Start: start, End: time.Now()}, s.fail
}

// manifest reads the manifest of a finished backup from the share.
func (c *controller) manifest(id backup.ID) *backup.Manifest {
	c.t.Helper()
	b, err := c.repo().Open(c.t.Context(), backup.Ref{ID: id})
	require.NoError(c.t, err)
	return b.Manifest()
}
