// Package resources brings back what the resource managers of a stamp hold: the services ARM,
// CRP, SRP, NRP and RBAC, and of KeyVault the vaults themselves with their access policies. It is one restorer for
// each service, all of the same code: what differs between kinds of items is in tables.
//
// # What is written
//
// The body of a PUT is the item's document without what its definition does not take and what
// the service sets itself (package shape). Where something is there already, the body has
// besides what came after the backup: other subnets, rules, tags. A parent's PUT carries its
// inline children, so these are confirmed with it and not sent again; a child that is restored
// without its parent has a PUT of its own. Whether a write came about is decided by looking
// whether all that was sent is in the answer of a GET, since providers fill in defaults and
// drop what they do not know.
//
// No PUT in Microsoft's definitions has If-Match. The network provider is known to look at
// it, so it is sent there; elsewhere a change between the last GET and the PUT is
// overwritten. That is some milliseconds long.
//
// # What is not brought back
//
// Virtual machines that are gone are made again by attaching their disks, without image and
// without the profile of the operating system: the accounts are on the disk. Disks that are
// gone have no contents in a backup. By [Options].EmptyDisks they are made empty, for drills; else they, and what
// needs them, are refused. Numbers that a service gives are new: resource GUIDs, MAC
// addresses, dynamic addresses, keys of storage accounts, identities.
//
// Built-in roles, operator's views of tenants' resources and the like come from the target itself, and
// records of what happened are never done again. Both are losses.
//
// # Codes
//
// Refusals: OWN, it is of the restore's own account; BUILT_IN, the target's own; DISK_MISSING, its disks have no contents
// in a backup; IMMUTABLE, a member differs that no service changes, so delete it or leave it;
// NAME_TAKEN, another owner has the name; NOT_OFFERED, the target has no such type or
// api-version; SCOPE_LOCKED, a lock at it or above forbids writing; take the lock away first, and the restore puts back that of the backup.
//
// Losses: ADDRESS_NEW, a static public address is another one when it is made; ATTACHED, a machine would be made from its disks; DERIVED, the target makes it by
// itself; DUPLICATE, another item says the same; HISTORY, a record of what was done; IDENTITY_NEW, a managed
// identity is another one when the resource is made; KEYS_NEW, keys are new when the account is made; NO_CONTENTS, only its
// description is in the backup; NOT_YET, this version cannot bring it back; NO_WRITE, its definition has no way to write it; UNKNOWN_MEMBER, a member
// that this version does not know and does not send; UNKNOWN_TYPE, a type without a definition.
//
// Faults of writing are TARGET_… as package writer gives them. That the subscription is not
// registered with a provider is TARGET_REFUSED: the items of kind provider register it, and
// what needs them comes later.
//
// Start reading at [New], then kinds.go, want.go and write.go.
package resources
