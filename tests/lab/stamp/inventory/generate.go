package inventory

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Region is the region of a generated stamp that names none.
const Region = "local"

// StampVersion is the version that Microsoft.Update.Admin names as the current one.
const StampVersion = "1.2206.2.52"

// Options say what stamp to make. The same options give the same bytes.
type Options struct {
	Seed int64
	// Resources is about how many ARM resources of tenants the stamp has, child
	// resources and resource groups among them: 1 to 1,000,000. The operator side,
	// role definitions and assignments and the contents of vaults come on top and
	// grow slowly with it.
	Resources int
	// Domain is the stamp's external domain, such as local.azurestack.test.
	Domain string
	// Region is the stamp's only region, "" for the package's [Region].
	Region string
	// VaultPort is the port in vaultUri and in the identifiers of vault objects; 0
	// leaves it out.
	VaultPort int
	// Principals are the SIDs of directory objects that may be named in role
	// assignments and access policies. When empty, SIDs are made from the seed.
	Principals []string
	// Dangling is how many dangling references of each relation to add. They are
	// listed in [Stamp].Dangling, and no others dangle.
	Dangling int
	// Issuer issues about half of the vaults' certificates; nil: all are self-signed,
	// but for those whose issuing CA dangles.
	Issuer *Issuer
	// Now is the time at which the stamp is looked at; zero: 2026-06-01.
	Now time.Time
}

// Issuer is a CA that issues certificates in vaults.
type Issuer struct {
	Certificate *x509.Certificate // with a subject key identifier
	Key         crypto.Signer
}

// Generate makes a coherent stamp: every reference in it has its target, but for
// those in [Stamp].Dangling. It fails only for options that make no sense.
func Generate(o Options) (*Stamp, error) {
	switch {
	case o.Resources < 1 || o.Resources > 1_000_000:
		return nil, fmt.Errorf("generate a stamp: %d resources, want 1 to 1,000,000", o.Resources)
	case o.Dangling < 0:
		return nil, fmt.Errorf("generate a stamp: %d dangling references", o.Dangling)
	case o.Issuer != nil && len(o.Issuer.Certificate.SubjectKeyId) == 0:
		return nil, errors.New("generate a stamp: the issuing CA has no subject key identifier")
	}
	b, err := newBuilder(o)
	if err != nil {
		return nil, fmt.Errorf("generate a stamp: %w", err)
	}
	b.s.Documents = make([]Document, 0, o.Resources+o.Resources/8+512)
	b.directory()
	b.subscriptions()
	b.operatorBefore()
	b.tenants()
	b.rbac()
	b.operatorAfter()
	b.dangling()
	if b.err != nil {
		return nil, fmt.Errorf("generate a stamp: %w", b.err)
	}
	return b.s, nil
}

// newBuilder fills in what options leave out.
func newBuilder(o Options) (*builder, error) {
	if o.Domain == "" {
		return nil, errors.New("no domain")
	}
	if o.Region == "" {
		o.Region = Region
	}
	if o.Now.IsZero() {
		o.Now = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	}
	o.Now = o.Now.UTC().Truncate(time.Second)
	b := &builder{o: o, r: rand.New(rand.NewPCG(uint64(o.Seed), 0x57a3b)), s: &Stamp{}}
	b.encoder = json.NewEncoder(&b.buffer)
	b.keys = keysOf(o.Seed)
	return b, nil
}

// builder makes one stamp. Its methods run in a fixed order on one source of
// randomness, which is what makes them repeatable.
type builder struct {
	o       Options
	r       *rand.Rand
	s       *Stamp
	err     error // the first failure
	buffer  bytes.Buffer
	encoder *json.Encoder
	seq     int // the last number given to a name
	tenant  int // ARM resources of tenants so far
	keys    *keys

	principals []string
	directoryT string // directory tenant, a GUID
	provider   string // the provider subscription's GUID
	subs       []*subscription
	groups     []*group
	offers     []string // offers that tenants may have, with the plans below
	offerPlans map[string][]string
	vaultOf    []*vault
	lastSize   int // of the last disk, in GB
	mirrors    mirrors
}

// subscription is a tenant subscription.
type subscription struct {
	id    string // /subscriptions/<GUID>
	guid  string
	name  string
	roles []string   // custom role definitions
	vnets []*network // for peerings
}

// group is a resource group of a tenant with what its resources refer to.
type group struct {
	sub      *subscription
	id       string
	net      *network
	pools    []string // load balancer backend pools
	disks    []string // managed disks
	accounts []string // names of storage accounts
	shots    []sized  // snapshots
	some     []string // resources at whose scope roles can be assigned
}

// sized is a disk or snapshot and its size in GB.
type sized struct {
	id string
	gb int
}

// resource is the envelope of most ARM documents. Empty fields are left out, as
// the definitions of many types do not know them.
type resource struct {
	ID         string            `json:"id"`
	Name       string            `json:"name,omitempty"`
	Type       string            `json:"type,omitempty"`
	Location   string            `json:"location,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	ManagedBy  string            `json:"managedBy,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	ETag       string            `json:"etag,omitempty"`
	SKU        any               `json:"sku,omitempty"`
	Identity   any               `json:"identity,omitempty"`
	Properties any               `json:"properties,omitempty"`
}

// idOnly is a reference to another resource.
type idOnly struct {
	ID string `json:"id"`
}

// add puts a document of the tenant endpoint into the stamp and counts it.
func (b *builder) add(kind string, v *resource, secrets ...string) {
	b.tenant++
	b.put(Tenant, v.ID, kind, v, secrets...)
}

// put puts a document into the stamp. secrets are pairs of JSON path and value.
func (b *builder) put(e Endpoint, id, kind string, v any, secrets ...string) {
	d := Document{Endpoint: e, ID: id, Type: kind, Body: b.encode(v)}
	for i := 0; i+1 < len(secrets); i += 2 {
		if d.WriteOnly == nil {
			d.WriteOnly = map[string]string{}
		}
		d.WriteOnly[secrets[i]] = secrets[i+1]
		b.s.Canaries = append(b.s.Canaries, secrets[i+1])
	}
	b.s.Documents = append(b.s.Documents, d)
}

// encode gives compact JSON. Some documents have <, > and & escaped and some not,
// as different services write them differently.
func (b *builder) encode(v any) json.RawMessage { return b.encodeAt(len(b.s.Documents), v) }

// encodeAt is encode for the document of a number.
func (b *builder) encodeAt(n int, v any) json.RawMessage {
	b.buffer.Reset()
	b.encoder.SetEscapeHTML(n%5 == 0)
	if err := b.encoder.Encode(v); err != nil && b.err == nil {
		b.err = err
	}
	return bytes.Clone(bytes.TrimSuffix(b.buffer.Bytes(), []byte("\n")))
}

// more says whether the tenants want more resources.
func (b *builder) more() bool { return b.err == nil && b.tenant < b.o.Resources }

// in is the ID of a resource in a resource group.
func (g *group) in(kind, name string) string { return g.id + "/providers/" + kind + "/" + name }

// ref is an ID as another resource may write it: services keep the case that a
// reference was made with, so it often differs from the target's own.
func (b *builder) ref(id string) string {
	switch b.r.IntN(12) {
	case 0:
		return strings.ToLower(id)
	case 1:
		return strings.Replace(id, "/resourceGroups/", "/resourcegroups/", 1)
	case 2:
		cut := strings.LastIndexByte(id, '/')
		return id[:cut] + strings.ToUpper(id[cut:])
	}
	return id
}
