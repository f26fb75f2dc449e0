// Package address takes the addresses of the API apart: a decoded path into segments, and what a
// caller chose in it out of them. It compares words without case, as Azure Stack does, and decides
// nothing about who may go there.
//
// Start reading at [Match].
package address
