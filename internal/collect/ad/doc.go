// Package ad captures an Active Directory domain: every naming context that one
// domain controller holds, deleted objects included, and the files of group policy
// from SYSVOL.
//
// # What is captured
//
// Each object is an item of kind [record.Kind]: its ID is the objectGUID, its name
// the distinguished name, its bytes a [record.Record] in JSON with all attributes that
// "*" gives and the security descriptor (owner, group and DACL). Values are the raw
// bytes in the server's order. DNS zones are objects like any others, whether they
// lie in an application partition or below CN=MicrosoftDNS,CN=System.
//
// Links keep the distinguished name that the server shows and, beside it, the
// objectGUID of the target (extended DNs, MS-ADTS 3.1.1.3.4.1.5). Renaming an
// object does not touch the objects that point to it, so a name that was read
// before a rename would lead nowhere; a GUID still does.
//
// The alias of a security principal that is not deleted is its objectSid, such as
// sid:s-1-5-21-…-1104: that is how role assignments and access policies name it.
//
// Each file in SYSVOL is an item of kind [KindFile], each folder one of kind
// [KindFolder], since empty folders belong to a policy. SYSVOL comes through the port
// [FileSource], because collectors know nothing of SMB.
//
// # What is not
//
// Secrets that a domain controller never gives (MS-ADTS 3.1.1.4.4), access control
// lists of SYSVOL, and what gaps.go lists. replPropertyMetaData and other
// constructed attributes are not asked for: they describe the controller, not the
// object. An object that the account may not even list cannot be noticed by any
// reader. So the account must be allowed to read everything: a member of
// Administrators or Domain Admins is, an ordinary account is not, and Check refuses
// one that sees no schema, no security descriptors or no deleted objects.
//
// # Connections
//
// The first three naming contexts, which every controller holds, are read at the same
// time, each on a connection of its own, and SYSVOL beside them. One goroutine, that of
// [Collector.Collect], uses the sink: what the others read waits in bounded memory until
// everything that goes before it was written (together.go, sysvol_early.go). So the order
// depends neither on who is faster nor on how many connections a controller allows: one
// is enough. What is large is not read ahead.
//
// Which attributes hold names is kept between captures, until the schema changes
// (schema.go).
//
// # Consistency
//
// LDAP has no snapshot. A capture pins one controller and notes its invocationId
// and highestCommittedUSN, reads everything, then reads again what has a higher
// uSNChanged, until nothing has, or a bounded number of rounds is done (a busy
// directory never is still). A renamed container is read again with all that lies
// below it, because its children's names change and their USNs do not. Everything
// up to the cursor's usnCovered is in the part for certain; what came later may be.
//
// Deleting the target of a link changes the group's members but not the group's
// USN. So a group may name a member whose own record says that it was deleted
// meanwhile; the target's record is right.
//
// # Silent truncations
//
// A page counts only when its paging control was seen and the connection stands;
// the last one must have an empty cookie (see package directory, which is how a
// controller is talked to).
//
// Start reading at [Collector.Collect]. The package writes nothing to the
// directory, follows no referral, and imports neither the share nor other
// collectors.
package ad
