// Package keyvault captures vaults, their access policies and what they hold.
// Start reading at [Table].
package keyvault
