package inventory

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
)

// dangling adds the wanted number of dangling references of each relation: new
// resources that name what does not exist.
func (b *builder) dangling() {
	if b.o.Dangling == 0 || b.err != nil {
		return
	}
	g := b.group(b.subs[0])
	net := b.newNetwork(g)
	v := b.putVault(g, nil)
	ca, err := b.unknownCA()
	if err != nil {
		b.err = err
		return
	}
	domain := b.sidDomain()
	for i := range b.o.Dangling {
		sid := fmt.Sprintf("%s-%d", domain, 90001+i)
		if i%2 == 0 {
			b.miss(b.assign(Tenant, g.id, b.roleOf(g.sub), sid), RelationPrincipal, sid)
		} else {
			b.miss(b.putVault(g, []string{sid}).id, RelationPrincipal, sid)
		}
		role := g.sub.id + "/providers/" + roleDefinition + "/" + b.guid()
		b.miss(b.assign(Tenant, g.id, role, pick(b, b.principals)), RelationRoleDefinition, role)
		b.missOperator()
		gone := net.id + "/subnets/" + b.name("gone")
		b.miss(b.nic(g, gone, "", ""), RelationSubnet, gone)
		b.missMachine(g, RelationDisk)
		b.missMachine(g, RelationNetworkInterface)
		b.miss(b.certificate(v, ca, 1, true), RelationIssuingCA, hex.EncodeToString(ca.Certificate.SubjectKeyId))
	}
}

func (b *builder) miss(from, relation, target string) {
	b.s.Dangling = append(b.s.Dangling, Reference{from, relation, target})
}

// missOperator adds a subscription without its offer, an offer without its plan
// and a plan without its quota.
func (b *builder) missOperator() {
	in := b.providerGroup("Plans-Offers") + "/providers/" + subscriptionsAdmin
	offer := in + "/offers/" + b.name("gone")
	orphan := b.guid()
	b.putSubscription(Tenant, orphan, "Orphan")
	b.miss(b.userSubscription(orphan, "Orphan", offer, "Default"), RelationOffer, offer)
	plan := in + "/plans/" + b.name("gone")
	b.miss(b.offer(offerProperties{State: "Private", BasePlanIDs: []string{plan}}), RelationPlan, plan)
	provider := pick(b, []string{"Microsoft.Compute.Admin", "Microsoft.Network.Admin", "Microsoft.Storage.Admin", "Microsoft.KeyVault.Admin"})
	quota := b.adminPath(provider + "/locations/" + b.o.Region + "/quotas/" + b.name("gone"))
	b.miss(b.plan([]string{quota}), RelationQuota, quota)
}

// missMachine adds a virtual machine without one of its parts.
func (b *builder) missMachine(g *group, relation string) {
	m := b.newMachine(g)
	gone := ""
	if relation == RelationDisk {
		gone = g.in("Microsoft.Compute/disks", b.name("gone"))
		m.osDisk = gone
	} else {
		m.osDisk = b.disk(g, m.id, m.system)
		gone = g.in("Microsoft.Network/networkInterfaces", b.name("gone"))
		m.nics = []string{gone}
	}
	b.place(m)
	b.miss(m.id, relation, gone)
}

// unknownCA is a CA of which nothing but its issued certificates is in the stamp.
func (b *builder) unknownCA() (*Issuer, error) {
	if b.keys.err != nil {
		return nil, b.keys.err
	}
	key := b.keys.pool[0]
	id := make([]byte, 20)
	b.fill(id)
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Unknown CA"}, NotBefore: b.o.Now.AddDate(-5, 0, 0), NotAfter: b.o.Now.AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: id,
	}
	der, err := x509.CreateCertificate(nil, t, t, key.signer.Public(), key.signer)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	return &Issuer{c, key.signer}, err
}
