// Package mapping says what things are called in the target of a restore: names of the site
// that an operator chose before ([Site]), and identities that the target gives while it is
// restored ([Map]).
//
// A restore into another cloud writes in the names of that one: its domain, region, tenant,
// subscriptions and deployment, and the domain of its directory. [Names] gives texts, IDs and
// whole documents these names. It replaces whole names only, and never guesses: what the site
// does not list stays as it is, and package residual finds it.
//
// It knows no service and does no I/O. Start reading at [Site], then names.go.
package mapping
