// Package directory brings objects of an Active Directory domain back, as package
// collect/ad captured them.
//
// # Phases
//
// An object is wanted in phases, each a step of its own: the object with its attributes and
// its place; its links; each group that it is a member of, which the links of the group bring
// along where they are written; the group that an account is in first (primary.go); the
// security descriptor (rights.go); and userAccountControl of accounts. Which attributes are
// not written, and why, is in package unwritable.
//
// An object is looked for by its objectGUID first, deleted ones as well. A tombstone is
// undeleted with all its attributes in one change, and keeps GUID and SID. What is not there at
// all is made, disabled when it is an account, and [restore.State.Learned] has its new
// identity, by which links are written. An object with the name and class of a missing one
// counts as that one.
//
// Of attributes with several values, and of links, only what is missing is added: what came
// after the backup stays. A single value is taken away in the change that sets the other one,
// so that the controller refuses when it moved meanwhile. Where an object was both changed and
// renamed, it takes two requests; when the restore is ended between them, the step is refused
// as RESTORE_CONFLICT, and a new plan does the rest.
//
// What names SIDs has them mapped (identities.go): those below 1000 by their number, others by what
// became of the account in the target, which is looked for by objectGUID and then by name. SIDs
// that mean the same everywhere, and those of trusted domains, are kept.
//
// An account becomes an ordinary member of the group that was its first before, and is taken out
// of it where the backup does not have it in there. Where the restore is ended between these two
// requests, it stays a member.
//
// Of a security descriptor owner, group and DACL are written, as far as they are the object's own:
// what it inherits the controller makes again of its parents'. Entries of one kind in another order,
// and inherited ones, are no difference. Audit entries are in no backup, and stay as they are. Windows
// gives members of protected groups (adminCount) the rights of AdminSDHolder within the hour.
//
// Zones of DNS and their nodes are objects like others (dns.go, package dnsrecord). Records compare
// without the serial and the hour of the last refresh. Only missing ones are added, but that what is
// left of a deleted node goes, and the other one of two CNAMEs. How a zone is served is written when
// the zone is made. What servers write by themselves is left to them: SOA and NS of a zone, the
// addresses of controllers, and the names by which these are found.
//
// Group policies come back with their files, where the options open SYSVOL (policies.go, package
// sysvol); GPT.INI, which says the version, comes behind the other files, and the policy's object
// behind that. Without SYSVOL neither is written. Links to policies are attributes like others. A
// selection that takes a policy's object takes only those of its files that are gone.
//
// In a domain with other names, which [mapping.Names] has, names and texts are the target's, and
// objects are found by name and class: no two domains have the same GUIDs. Links are written by
// the GUIDs that the target gave.
//
// Objects that every domain has are never made or changed, but their members come back, and the
// default group policies are like others.
//
// # Refusals
//
//	OWN             an account that is left alone is not there: make it by hand
//	BUILT_IN        an object is not there that every domain has
//	NAME_TAKEN      another object has its name, account name, principal or service name
//	NO_PASSWORD     it would be enabled without a password, and none is needed to log in as it
//	SCHEMA_MISSING  the target's schema lacks an attribute of it
//	OTHER_DOMAIN    the target is another domain than the object's
//	SID_UNKNOWN     it names the SID of an account that neither backup nor target have, or in a
//	                condition one that is another account in the target
//	SERVERS_OWN     a controller of the target has the name, and writes its address by itself
//	NOT_PERMITTED   the target's account lacks the right that is named
//
// # Losses
//
//	NOT_YET         this version does not write it; the detail says what: Configuration, settings of
//	                the domain's head, what else lies below CN=System, links with bytes beside them,
//	                other attributes that name SIDs, files beyond 8 MiB, policies without SYSVOL,
//	                or with files elsewhere
//	IDENTITY        objectGUID and objectSid when it is made again; sIDHistory always
//	PASSWORD        no controller gives it
//	DESCRIPTOR      the backup has no readable security descriptor of it
//	BACK_LINKS      links to it that are in other objects
//	SERVERS_OWN     records of DNS that servers write by themselves
//	SCHEMA          an object of the schema
//	SYSTEM_CLASS    only the directory makes objects of its class
//
// Objects that were deleted when the backup was made are not wanted, and no loss.
//
// Samba takes much that Windows refuses, so a test against Samba shows nothing of
// Windows' refusals. The package has not been run against Windows.
//
// Start reading at [Restorer.Wants], then live.go, verdict.go and write.go.
package directory
