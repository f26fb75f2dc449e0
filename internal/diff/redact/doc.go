// Package redact keeps secrets out of a comparison: it says which properties, attributes and
// texts hold one, and reduces a secret to a fingerprint as soon as it is read.
//
// A fingerprint is HMAC-SHA256 with a random key that lives as long as one comparison, so that
// equal secrets are seen to be equal and nothing that could be tried out offline leaves the
// process. What only looks like a secret is treated as one: hiding too much costs a reader a
// look into the backup, showing too much cannot be undone.
//
// It prints nothing and reads nothing. Start reading at [Key].
package redact
