// Package backup is the vocabulary that every other package shares: services,
// backup IDs, statuses, the manifest and the names that a backup has on the
// share.
//
// It does no I/O, knows nothing of Temporal, SMB or encryption, and imports
// nothing of the product but printable. FORMAT.md beside this file specifies the
// files; start reading at [Manifest], then layout.go.
//
// # Glossary
//
// These words have one meaning everywhere in the project:
//
//	instance     one cloud whose control plane is backed up; its short name is a folder of the share
//	stamp        an Azure Stack installation, the source of six of the eight services
//	service      one of the eight things that a backup holds: [AD], [CA], [ARM] and so on
//	source       where a worker reads a service; collector is the code that reads it
//	item         one object of a service, with an ID, a kind and a document or a file
//	gap          what a source did not give, named in the manifest
//	part         all items of a service in one encrypted archive, ad.tar.zst.age
//	catalog      the encrypted list of the items of all parts
//	manifest     what everybody may know of a backup
//	sums         the digests of a backup's files, SHA256SUMS; their signature is what counts
//	share        the folder on the operator's file server; store is the code that reads and writes it
//	controller   the installation of this product that may write to an instance's folder; it has an ID
//	claim        the file that says which controller that is
//	ledger       the signed list of what was done to the backups of a share; an entry is one line of it
//	head         number and digest of the ledger's newest entry
//	anchor       the signed file that tells a share how far settings and ledger are
//	settings     share, account, keys and services; a revision is one state of them, the active one counts
//	proposal     a revision that is being tried, and is not active yet
//	recipient    a public key that backups are encrypted to; identity is its private half
//	backup key   the key of one backup, wrapped to the recipients in key.age
//	rewrap       to wrap a backup key to other recipients; to re-encrypt is to give a backup another key
//	signer       a key that signs backups and entries; a former one signs no more and is still trusted
//	spool        where a worker keeps what it captured until it is uploaded
//	finding      something that is wrong with a backup, with a code; foreign is what is not ours, and no finding
//	verdict      the outcome of verifying one backup; an audit is that of all and of the ledger
//	contract     the workflows, activities, queries, updates and signals that programs agree on
package backup
