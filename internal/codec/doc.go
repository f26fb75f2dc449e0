// Package codec encrypts Temporal payloads, so that settings and everything else
// in a workflow's history is unreadable without the codec key, and serves them in
// clear to the Web UI.
//
// Payloads are sealed with AES-256-GCM for the place where they belong, and are refused
// elsewhere; the key's id stands in the metadata, so that keys rotate by adding one and
// activating it (keyfile.go). Failure messages are covered too, because package temporal
// sets EncodeCommonAttributes. What shows payloads to people decrypts those of every
// place. The keys come from a file, see [LoadKeyring]. Start reading at [Codec].
package codec
