// Package maintenance tells whether a stamp is being updated, by what the operator's resource manager
// says of its updates. It only reads. What the stamp tells is bounded, and believed only as far as it
// can be so: an answer that is wrong must keep no backup from being made for ever.
//
// Start reading at [Updating].
package maintenance
