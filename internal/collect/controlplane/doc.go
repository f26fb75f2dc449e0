// Package controlplane puts the six services of a stamp together: which package has
// which service's table, and which resource types therefore are nobody else's.
//
// It has no rules of its own. Start reading at [Collectors].
package controlplane
