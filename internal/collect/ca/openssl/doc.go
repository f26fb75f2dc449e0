// Package openssl reads the files in which `openssl ca` keeps what it did and what it is
// to do next: the index of issued certificates ([ParseIndex]), the files with the next
// serial and CRL number ([ParseNumber]), and the configuration as far as it says where
// these are ([ParseConfig]). Numbers ([Serial]) and times are taken in every form that
// openssl takes, which is more than the standards allow: what is refused here, openssl
// refuses as well. Tests of package ca hold it to the real openssl.
//
// It is given bytes and returns values. It opens nothing, knows no folder, and decides
// nothing: what a row that makes no sense means for a backup is said in package ca. All of
// it is bounded, and everything that parses is fuzzed.
//
// Start reading at [ParseIndex].
package openssl
