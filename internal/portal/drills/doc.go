// Package drills is the part of the operators' page that shows drills: which backup was restored
// where, what came of it, and whether the certificate can be believed.
//
// It keeps to the rules of package portal, whose layout its pages are drawn in. Which items differ
// it shows to those only who may read plans of restores. Start reading at [View].
package drills
