// Package keyvault captures vaults with their access policies, the operator's quotas,
// and what vaults hold, over their data plane.
//
// # What is captured of a vault
//
//   - keys: the public half of every version, and the backup blob;
//   - secrets: the value of every version that the vault gives, and the backup blob;
//   - certificates: every version and the policy; their private keys are in the secrets
//     of the same name when the policy lets them out;
//   - issuers and contacts of certificates; deleted objects, as names, where the vault
//     keeps those.
//
// A blob holds all versions with their history, can be restored into a vault of the
// same stamp only, and is of no use without that stamp's Key Vault. Therefore the
// logical export beside it. The private half of a key never leaves a vault but in its
// blob, and api-version 2016-10-01 has no backup of certificates.
//
// # What is a gap, and what fails
//
// Versions of secrets that are disabled, expired or not yet valid are given to nobody:
// gaps with a name of their own; the blob holds them. A certificate whose policy keeps
// the private key is a gap. A permission that is missing fails the service, with the
// vault and the permission in its message: a part without a vault's secrets would look
// whole.
//
// After a vault was read its lists are read again, and what changed is read again, so
// that lists that moved while they were read do not matter.
//
// IDs of items are those of the vault's resource with /keys/<name>/<version> and so on
// behind. Values are in documents only, never in names, gaps or errors.
//
// The table is for package resource. Start reading at [Table], then vault.go.
package keyvault
