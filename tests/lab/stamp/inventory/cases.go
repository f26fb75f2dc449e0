package inventory

import (
	"fmt"
	"math/rand/v2"
)

// enough is how many resources a stamp has at least that also holds the cases of
// cases.go.
const enough = 200

// extras makes what some stamps have beside the rest, from randomness of its own: what
// comes after stays the same with and without it.
func (b *builder) extras(do func()) {
	if b.o.Resources < enough || b.err != nil {
		return
	}
	usual := b.r
	b.r = rand.New(rand.NewPCG(uint64(b.o.Seed), 0xca5e5))
	do()
	b.r = usual
}

// restoreCases makes what a restore has to take care of: networks that are peered both
// ways, locks that forbid what it wants, disks of every origin, machines without managed
// disks, and deleted objects whose names live on elsewhere.
func (b *builder) restoreCases(g *group) {
	for _, s := range b.subs {
		for i, n := range s.vnets {
			if i%2 == 1 {
				b.answered(n)
			}
		}
	}
	for _, level := range []string{"ReadOnly", "CanNotDelete"} {
		locked := b.group(g.sub)
		b.newNetwork(locked)
		b.storage(locked)
		b.lockAt(locked.some[0], "CanNotDelete")
		b.lockAt(locked.id, level)
	}
	b.origins(g)
	b.unmanaged(g)
	b.deletedTwins()
}

func (b *builder) lockAt(scope, level string) {
	name := b.name("lock")
	b.add("Microsoft.Authorization/locks", &resource{
		ID: scope + "/providers/Microsoft.Authorization/locks/" + name, Name: name, Type: "Microsoft.Authorization/locks", Properties: lockProperties{Level: level},
	})
}

// origins makes a disk of every creation option that is not among the others.
func (b *builder) origins(g *group) {
	if len(g.shots) == 0 || len(g.accounts) == 0 {
		return
	}
	account, shot := g.accounts[0], g.shots[0]
	for _, c := range []creationData{
		{CreateOption: "Copy", SourceResourceID: shot.id},
		{CreateOption: "Restore", SourceResourceID: shot.id},
		{CreateOption: "Import", SourceURI: fmt.Sprintf("https://%s.blob.%s/vhds/import.vhd", account, b.o.Domain), StorageAccountID: g.in("Microsoft.Storage/storageAccounts", account)},
		{CreateOption: "Upload", UploadSizeBytes: 32<<30 + 512},
	} {
		name := b.name("disk")
		size := 32
		if c.SourceResourceID != "" {
			size = shot.gb
		}
		p := diskProperties{CreationData: c, DiskSizeGB: size, DiskSizeBytes: int64(size) << 30, UniqueID: b.guid(), TimeCreated: stamp7(b.ago(900)), ProvisioningState: "Succeeded", DiskState: "Unattached"}
		b.add("Microsoft.Compute/disks", &resource{ID: g.in("Microsoft.Compute/disks", name), Name: name, Type: "Microsoft.Compute/disks", Location: b.o.Region,
			SKU: skuName{"Standard_LRS", "Standard"}, Properties: p})
	}
}

// unmanaged makes a virtual machine whose disk is a blob of a storage account.
func (b *builder) unmanaged(g *group) {
	if len(g.accounts) == 0 || g.net == nil {
		return
	}
	m := b.newMachine(g)
	s := g.net.subnets[0]
	m.nics = []string{b.nic(g, s.id, g.net.address(s), m.id)}
	m.blob = fmt.Sprintf("https://%s.blob.%s/vhds/%s.vhd", g.accounts[0], b.o.Domain, m.name)
	b.place(m)
}

// deletedTwins makes secrets that were deleted softly while another vault has one of the
// same name.
func (b *builder) deletedTwins() {
	if len(b.vaultOf) < 2 {
		return
	}
	first, second := b.vaultOf[0], b.vaultOf[1]
	for _, o := range b.s.VaultObjects {
		if o.Vault != first.name || o.Kind != "secrets" || o.Managed {
			continue
		}
		twin := VaultObject{Vault: second.name, Kind: o.Kind, Name: o.Name}
		version, value, a := b.hex32(), b.secret(), b.attributes(0)
		twin.Versions = []VaultVersion{b.version(version, secretBundle{Value: value, ID: second.uri + "secrets/" + o.Name + "/" + version, Attributes: a}, a)}
		b.s.DeletedVaultObjects = append(b.s.DeletedVaultObjects, twin)
		b.s.Canaries = append(b.s.Canaries, value)
		return
	}
}

// sharedRoles makes a role that can be assigned in two subscriptions, so that both list
// it, and a role that one principal has twice at one scope, as older services allowed.
func (b *builder) sharedRoles() {
	first, second := b.subs[0], b.subs[1]
	guid := b.guid()
	p := roleProperties{
		RoleName: "Shared " + guid[:8], Type: "CustomRole", Description: "of two subscriptions", AssignableScopes: []string{first.id, second.id},
		Permissions: []permission{{Actions: []string{"Microsoft.Storage/*/read"}, NotActions: []string{}}},
	}
	role := b.role(Tenant, first.id, guid, p)
	b.role(Tenant, second.id, guid, p)
	principal := pick(b, b.principals)
	for range 2 {
		b.assign(Tenant, b.groups[0].id, role, principal)
	}
}
