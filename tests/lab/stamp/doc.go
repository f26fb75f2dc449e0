// Package stamp is a stand-in for an Azure Stack Hub stamp: one TLS server on the
// loopback that answers as the AD FS, both resource managers and the key vaults of
// a stamp do, with a small DNS server that makes their names resolve.
//
// No real Azure Stack Hub was at hand when this was written. What it knows comes from
// Microsoft's published API definitions and documentation: paths, list envelopes and
// which collections exist are a table taken from them (table.go, table_admin.go), not
// from the product's tables, so that it cannot merely agree with the product. Where
// they are silent it does what public Azure is known to do, and the comments say so.
// A test that passes here proves that the product follows those definitions; it does
// not prove that it works with a stamp.
//
//	client ──TLS, Host──▶ adfs.<domain>             discovery document, tokens   (adfs.go)
//	                      management.<domain>       tenant resource manager ┐
//	                      adminmanagement.<domain>  operator's one          ├    (arm.go, list.go, special.go, write.go)
//	                      <vault>.vault.<domain>    key vault data plane         (vault.go)
//
// [Start] takes what the stamp holds from package inventory. While it runs, tests
// change what it holds ([Stamp.Put], [Stamp.Delete]), who may read it ([Stamp.Deny]) and
// how it misbehaves ([Stamp.Inject]) at any of its lists ([Stamp.Lists]); [Stamp.Documents] and [Stamp.VaultObjects] are the
// truth that a backup is compared with.
//
// What a client writes is held to the definitions of PUT (package definition) and to the
// rules of each provider (package provider): write.go, delete.go, actions.go, operations.go
// and, for vaults, vault_write.go, vault_certificates.go and vault_manager.go.
// [Stamp.Writes] lists every request that wanted to change something; [Stamp.SetDelay],
// [Stamp.Slow], [Stamp.Allow] and [Stamp.AddPrincipals] set how long things take.
//
// What it leaves out, on purpose: data planes other than key vaults', Microsoft Graph,
// portals, resource providers without a definition at hand (Options.Versions adds any
// type as a generic one, which takes any JSON), templates, the enforcement of quotas, and
// PFX in vaults. Role assignments in its store do not grant anything: [Client].Deny is the
// permission model. Error codes are those of public Azure, which no definition lists.
//
// Start reading at [Start], then (*Stamp).serve in serve.go.
package stamp
