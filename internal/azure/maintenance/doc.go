// Package maintenance tells whether a stamp is being updated.
package maintenance
