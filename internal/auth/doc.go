// Package auth decides who calls the Backup Resource Provider and its portal page, and what
// a caller may do.
//
// Programs come with an API token, a bearer token of an OpenID Connect issuer (AD FS, Entra)
// or a client certificate, and [Authenticator] makes a [Principal] of it. Browsers have a
// session ([Sessions]), which begins with an API token or at the issuer. A cookie never
// counts on the API, and a bearer token never on the page.
//
// A principal has one [Role], and the policy table says which [Action] a role may perform;
// what the table does not list is refused. Errors are [Refusal], with what an answer needs.
// Nothing here logs or returns a token, and files keep no more than the hash of one.
//
// Start reading at [Authenticator.Authenticate], then [Authorize].
package auth
