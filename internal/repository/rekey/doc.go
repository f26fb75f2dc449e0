// Package rekey changes who can open a finished backup: it gives it another key.age, the
// same backup key wrapped to other recipients, or exchanges it for a copy that is encrypted
// to a new backup key. Either may end at any moment: at each, the backup opens with the old
// key or with the new one, and whoever calls again finishes what was begun.
//
// Nothing is signed that was not signed before, by a trusted key and in the state that the
// ledger has; what the service signs for is read back first. The package enters nothing in
// the ledger itself and never sees who asked: callers do that, in the order that
// [ReplaceOptions] and [SwapOptions] describe. Start reading at [ReplaceKey] in rewrap.go,
// then [Reencrypt] and [Swap]; how others read a backup in between is in repository's
// pending.go.
package rekey
