// Package operation has how far something is that a controller began, and what came of it, as
// every caller sees it: the API, the page and what remembers operations.
//
// It asks nothing itself. Start reading at [Operation].
package operation
