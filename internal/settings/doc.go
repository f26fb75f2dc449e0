// Package settings holds what an operator configures for an instance: share,
// credential, recipients and signing key, with validation.
//
// It stores nothing and talks to nobody; the settings workflow keeps the values
// and package control changes them. Secrets in it travel only inside encrypted
// payloads. Start reading at [Settings].
package settings
