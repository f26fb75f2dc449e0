// Package recovery restores for callers who have a private key and no account of the share: those
// of the API and of the page. It has a worker read the wrapped key of a backup, opens that with
// the caller's key in a process that ends, and hands the key of this one backup to the workers,
// encrypted by the codec as everything that they are told.
//
// A [Restorer] plans and applies in one call, and keeps no key. [Plans] lets a person read a plan
// before it is applied, and holds the key of its backup meanwhile, in memory alone: for an hour at
// most, for the one who gave it, and of a bounded number of plans. The operator's own key is never
// held. The package knows neither HTTP nor Temporal. Start reading at [Plans].
package recovery
