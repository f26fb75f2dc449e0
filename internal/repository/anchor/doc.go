// Package anchor compares how far the settings are with what a share was told of them, and
// tells it when they have moved on. A share is told only what the settings know already, so
// settings that know less were set back. It reads the settings through an interface, and knows
// nothing of where they lie.
//
// Start reading at [Keeper]; how an anchor is read and written is in package repository.
package anchor
