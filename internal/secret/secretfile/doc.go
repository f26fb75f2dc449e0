// Package secretfile reads files that hold one secret and nothing else: a password, a
// token, a private key.
//
// What such a file may be is [secret.File]'s to say, and the package reads no other kind
// of file: neither the worker's configuration nor lists of keys. Its errors are
// CONFIG_INVALID faults that never show content. Worker and command line use it alike.
// Start reading at [ReadLine].
package secretfile
