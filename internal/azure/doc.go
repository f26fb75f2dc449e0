// Package azure talks to an Azure Stack style stamp: it discovers the stamp's
// identity provider, gets tokens, and sends raw requests to the two resource
// managers (tenant and operator) and to vaults. Bytes of answers are handed on as
// they came; nothing is decoded into types that would drop what they do not know.
//
// It reads. The only POSTs are those that change nothing, such as a vault's backup
// operations; resource providers are never registered.
//
// # What an answer has to be
//
// Whatever comes, with any status, is examined by package scan before anything parses
// it: its size, its depth and its number of values are bounded, and nothing recurses.
// An answer with a status of success that is not what was asked for (no object, an error,
// members that decide twice, an error beside elements, another resource's document) has
// [ErrAnswer] in its chain; it is asked for again a few times, and is never taken for
// what was asked for, nor for its absence. [Client.Document] compares IDs. Refusals are
// told apart by the Err… values. [Pages] is the one reader of lists: what says "nothing"
// in one of the ways that servers have is an empty page, and a page that repeats earlier
// ones is an error. [resourceid.Normal] is the one form of an ID in items, references and
// requests.
//
// # Waiting
//
// Short hiccups (408, 500, 502, 503, 504, broken connections, bodies cut short) are tried
// again here, within about a minute. What the stamp asks to wait for (429, and the others
// with a time) is waited for here too, for hours if need be, and nothing that was read is
// lost: all requests to that host pause (for other answers than 429, when different
// addresses give them), and when it asks again after a similar number of requests, they are
// spread over the time in which it allows that many. One address that asks to wait again
// and again, while its host answers others, is a fault of that address after a few tries. A
// host that
// answers nothing else for longer than [Config].Patience is a SOURCE_THROTTLED fault, as
// is a wait that the caller's context has no time for ([WithPatience]). The headers with
// which Azure tells how many requests remain are not needed for that: they count per
// subscription or per provider, in windows that they do not name.
//
// # Memory
//
// A page of a list is read in parts of 1 MiB, or of one element of up to 16 MiB. What is
// read ahead, and has to wait for its turn, holds 16 MiB at most over all requests
// ([Ahead]); in its turn, each reader holds one document or part.
//
// # Where secrets go
//
// Tokens go to three kinds of hosts only: the two configured resource managers and
// vaults below the stamp's own vault domain. A nextLink, a redirect or a vault URI
// that leads elsewhere is refused; whether the port that https has anyway is written
// makes no difference. What the stamp says about its identity provider is compared with
// the configured authority before a credential is shown to it, and the credential goes
// to that host only.
//
// It knows neither collectors nor what is done with the documents. Start reading at
// [Stamp], then [Client.List] and send.go.
package azure
