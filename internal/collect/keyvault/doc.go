// Package keyvault captures vaults with their access policies, the operator's quotas,
// and what vaults hold, over their data plane.
//
// # What is captured of a vault
//
//	kind                        type below Microsoft.KeyVault/vaults  what it is
//	vault-key-version           keys/versions                         public half, attributes and tags
//	vault-key-backup            keys/backup                           protected blob of all versions
//	vault-secret-version        secrets/versions                      value, content type, attributes and tags
//	vault-secret-backup         secrets/backup                        protected blob of all versions
//	vault-certificate-version   certificates/versions                 certificate, attributes and tags
//	vault-certificate-policy    certificates/policy                   how it is issued and renewed
//	vault-certificate-issuer    certificates/issuers                  provider and account, without its password
//	vault-certificate-contacts  certificates/contacts                 whom the vault tells
//	vault-deleted-key, -secret  deletedkeys, deletedsecrets           names of what can be recovered,
//	and -certificate            and deletedcertificates               as the list gives them
//
// Documents are answers as they came, in the envelope of package resource with the
// endpoint "vault". IDs of items are those of the vault's resource with
// /secrets/<name>/<version> and so on behind, in lower case. Values are in documents
// only, never in names, gaps, references or errors.
//
// Each certificate has a key and a secret of its name, which the vault manages. They
// are captured like others: the secret's value is the certificate with its private key,
// PKCS#12 or PEM, when the policy lets that out. No blob is asked for of them, since the
// vault refuses it, and api-version 2016-10-01 has no backup of certificates either; only
// for a key whose certificate was not issued yet it is tried.
//
// A blob holds all versions with their history, can be restored into a vault of the
// same stamp only, and is of no use without that stamp's Key Vault. Therefore there are
// both, blobs and documents. The private half of a key leaves a vault in its blob only.
//
// # What is a gap, and what fails
//
// Versions that the vault gives to nobody are gaps by name: disabled, expired or not
// yet valid. Values of disabled secrets are not asked for. Others are, since vaults
// differ in what they give, and the refusal is the gap. A certificate whose policy keeps
// the private key is a gap, and so are what vanishes while it is read, a blob that the
// vault does not make, the password of an issuer's account, and contacts that the client
// may not read: the permission for that is managecontacts, which also changes them.
//
// So is a version, policy or issuer that the vault lists and refuses to give, does not
// find, or answers with what is not that document; a blob has to have a value.
//
// Any other permission that is missing fails the service with SOURCE_ACCESS_DENIED, the
// vault and the permission in its message: a part without a vault's secrets would look
// whole. These are get and list of keys, secrets and certificates, backup of keys and
// secrets, getissuers and listissuers of certificates.
//
// # A vault that changes
//
// A vault that does not answer before it named anything has vanished when its resource is
// not there any more. One whose resource says no address is a gap.
//
// When all vaults were read, the lists of those that hold something are read again. What
// is new or different is read again, three times at most. What a list has no more is
// asked for by name before it counts as vanished, since a list can skip elements while its
// pages move; lists of versions with several pages are read again for the same reason. An
// object that is there and has no versions, and a page that repeats an earlier one, are
// SOURCE_INCOMPLETE.
//
// # Order and memory
//
// Vaults are read one behind the other, and without a pause between them, since most
// are small: the lists of four are begun at once, and four objects are read at once and
// handed on in the order of vaults and lists. Up to eight that were read wait for those
// before them, each with 2 MiB and one answer at most, as do the first pages of lists.
// For each vault its resource stays in memory, and for each object the name and a hash,
// until all vaults are complete.
//
// The table is for package resource. Start reading at [Table], then contents.go.
package keyvault
