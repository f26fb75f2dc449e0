// Package ca captures a certification authority that lives in a folder, in the
// way of `openssl ca` and easy-rsa: CA certificates of every generation, private
// key, database, serial and CRL number, issued certificates, requests, CRLs and
// configuration.
//
// # What is captured
//
// Every file of the folder, byte for byte, whatever it is, below ca/ in the
// part. What a file is decides only the kind of its item; a file that nothing
// knows is an item of kind "file" with the note [FileNotRecognised]. Folders and
// symbolic links become records ("directory", "symlink"), since they have no
// bytes of their own: a link is never followed, because its target, when it lies
// inside the folder, is captured where it lies; a target outside is the gap
// [SymlinkOutside]. (A database or serial file that is itself a link is therefore
// captured, but not checked.) Devices, sockets and FIFOs are never opened and are the gap
// [SpecialFile]. A file whose name is not printable UTF-8 goes below ca-renamed/
// with the odd bytes percent-encoded, shortened where that makes it too long, and is
// noted; the record "renamed" keeps a name that was shortened.
//
// What the account may not read is a gap when it is not the CA's ([NotReadable], such as
// lost+found) or a private key ([KeyNotContained]). Sizes are looked at before anything
// is read: files that are not the CA's and do not fit into a backup are the gap
// [TooLarge], and a CA that does not fit fails with LIMIT_EXCEEDED.
//
// A file with one certificate is an item of kind "certificate" whose ID is the
// SHA-256 of the certificate's DER: it does not depend on where the file lies,
// and two generations of a CA that used the same serial number do not collide.
// A second file with the same certificate (easy-rsa keeps two) is of kind
// "certificate-copy" with its path as ID, as are all other kinds.
//
// The aliases of a file are the subject key identifiers of the CA certificates in
// it, such as key-id:3f2a…: by these, certificates in vaults name their issuer.
// Issued certificates here refer to nothing: whether their CA is there is found out
// by their signatures, which says more.
//
// With a [DirectoryReader] the objects of AD Certificate Services become records
// of kind "adcs-object".
//
// # What fails a capture, and what is noted
//
// On the worst day a copy of a slightly inconsistent CA is worth more than none,
// and the files as they are can be repaired later. So whatever the files say,
// they are captured, and each thing that does not fit together is a finding: a
// gap with a code of its own, listed in findings.go. Only four causes fail:
//
//   - the folder is missing or holds no CA at all (neither certificate nor
//     database), such as an empty mount point: SOURCE_INVALID;
//   - something of the CA's cannot be read: SOURCE_ACCESS_DENIED for permissions,
//     SOURCE_INCOMPLETE for failing disks, naming the file;
//   - the CA works while it is read: SOURCE_CHANGING, see below;
//   - more than a million files, or more bytes than a backup has: LIMIT_EXCEEDED.
//
// SOURCE_INCONSISTENT is never returned, for the reason above. Findings stand in
// the manifest, which is not encrypted: they name files, serial numbers and the
// CA's own subject, never subjects of issued certificates.
//
// # A capture that holds still
//
// A first pass, before anything is handed to the sink, notes size, mode and time
// of every file and the digests of database, serial and CRL number, and reads CA
// certificates, keys, index and CRLs. If the database moved meanwhile the pass is
// repeated, a bounded number of times. The second pass hands out the files. Each
// must still be what the first pass saw, also after its last byte was read; at
// the end all are looked at again. A file that is not the CA's (a log, say) may
// change between the passes, but not while it is read.
//
// # Checks
//
// The key fits a CA certificate; CA certificates may sign, are valid now and have
// their chain; issued certificates parse, and their signatures verify with the
// right generation; serial numbers are unique; index and certificates match both
// ways; the serial file is ahead of every serial number (where they are
// sequential) and the CRL number file is one ahead of the newest CRL; that CRL is
// signed, valid now, and holds what the index says is revoked.
//
// A finding is made only where openssl would object as well, or where its next step
// would go wrong; what it takes and this package cannot check, such as keys of kinds that
// package x509 does not know, is said to be unchecked.
//
// Start reading at [Collector.Collect], then survey.go for the first pass. What openssl keeps
// in files of its own is read by package openssl, certificates, keys and CRLs by package pki.
//
// The package does not write, does not run openssl, and knows neither the other
// collectors nor the share.
package ca
