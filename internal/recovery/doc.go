// Package recovery restores for callers who have a private key and no account of the share: those
// of the API. It has a worker read the wrapped key of a backup, opens that with the caller's key
// in a process that ends, and hands the key of this one backup to the workers, encrypted by the
// codec as everything that they are told.
//
// It keeps no key, and knows neither HTTP nor Temporal. Start reading at [Restorer].
package recovery
