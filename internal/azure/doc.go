// Package azure talks to an Azure Stack style stamp: it discovers the stamp's
// identity provider, gets tokens, and sends raw requests to the two resource
// managers (tenant and operator) and to vaults. Bytes of answers are handed on as
// they came; nothing is decoded into types that would drop what they do not know.
//
// It reads. The only POSTs are those that change nothing, such as a vault's backup
// operations; resource providers are never registered.
//
// Short hiccups (408, 429, 500, 502, 503, 504, broken connections, bodies cut
// short) are tried again here, within about a minute. A longer Retry-After is not
// waited for: it leaves as a SOURCE_THROTTLED fault with RetryAfter, so that
// whoever schedules the work waits instead.
//
// Tokens go to three kinds of hosts only: the two configured resource managers and
// vaults below the stamp's own vault domain. A nextLink, a redirect or a vault URI
// that leads elsewhere is refused. What the stamp says about its identity provider
// is compared with the configured authority before a credential is shown to it.
//
// It knows neither collectors nor what is done with the documents. Start reading at
// [Stamp], then [Client.List].
package azure
