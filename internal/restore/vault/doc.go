// Package vault brings back what vaults hold: secrets, keys and certificates with their
// policies, and the issuers and contacts of certificates, as package collect/keyvault captured
// them. Vaults themselves are brought back by the restorer that it is given, which stands
// behind it for every other kind of the service.
//
// # One want for one object
//
// All versions of an object, and its backup blob, are one want. A certificate comes with the
// key and the secret of its name, which the vault makes, so that these three of one name are
// looked at together. Versions never change their value, and no two have one ID: where a
// vault has the backup's version, only its attributes and tags are compared.
//
//   - What is there with the same content is left alone.
//   - A deleted object that can be recovered is recovered, and then compared.
//   - Otherwise keys and secrets come from their backup blob, with all versions and their
//     IDs. Only the same stamp takes it, into a vault of the same subscription.
//   - Where no vault takes the blob, a secret is made of its values, oldest version first.
//     The versions have new IDs then. The private half of a key is in its blob only.
//   - A certificate is imported with its private key and policy, as its secret holds it.
//
// A secret that has another value now gets the backup's as a further version. A certificate or
// key that was renewed since stays renewed. Nothing is ever purged.
//
// # Several requests
//
// A version is set by one request with everything that is said of it, so that none is open
// for a moment that should be disabled. An object with several versions takes several. When a
// restore is ended between two, what is there tells how far it came: [Restorer.Begun].
//
// # Values
//
// The body of a want has no values: digests of it are in plans, which are shown. Values are in
// the payload of the want and in the document of a state, which journals encrypt. What a vault
// says when it refuses a request with a value is told by its code only, since its words could
// repeat the value.
//
// # Rights
//
// The restore gives itself no access to a vault: that would be a right to all secrets that
// outlives a restore which is ended. It reads what it has access to, and refuses the rest with
// the permission that is missing. Access policies for a group of accounts that restore, in the
// vaults that are captured, come back with the vaults.
//
// # Other names
//
// Into a cloud with other names ([mapping.Site]) vaults come back without their contents.
//
// # Codes
//
// Refusals: ACCESS_MISSING, a permission in the vault; BLOB_REFUSED, the key is gone, and its
// blob, if there is one, is of no use for this stamp; CERTIFICATE_KEPT, the certificate is gone and its
// private key was never given out; NAME_TAKEN, another key has the name, or a key or secret that
// belongs to no certificate has that of one; NO_VALUE, the secret is gone and no version of it was readable; TIME_STAYS, a version has an
// expiry or a beginning that no request takes away; TOO_LARGE, it has more versions than are read; UNREADABLE, the journal of what is taken back is not as it was written.
//
// Losses: CERTIFICATE_KEPT, the private key of a version was never given out; CERTIFICATE_PENDING, it
// was not issued yet; HISTORY, it was deleted when the backup was taken; KEY_BLOB, the key comes back from its blob only, and who made it has to supply it elsewhere; MANAGED, it belongs to a
// certificate that the backup does not have; NO_VALUE, a secret without a readable version;
// VERSIONS_NEW, versions that are made of values have new IDs.
//
// Start reading at [New], then wants.go, tasks.go and write.go.
package vault
