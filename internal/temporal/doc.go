// Package temporal makes the Temporal client: where the cluster is, TLS, the
// encryption of payloads and failure messages, tracing, metrics and logging.
//
// It is the only place where a client is dialled, so that no client can exist
// that writes settings in clear, or believes what arrives so (converter.go, failure.go).
// It knows no workflow. Start reading at [Dial].
package temporal
