// Package inventory holds what a stand-in stamp is made of, and makes coherent
// stamps of any size from a seed: [Generate].
//
// It knows nothing of HTTP; package stamp serves what it makes. Its documents follow
// Microsoft's published API definitions, not the product's tables, so that it cannot
// merely agree with them. Start reading at [Stamp].
package inventory
