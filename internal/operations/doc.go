// Package operations answers which operation an ID is, for callers who poll and for those who
// ask for what does not exist, and asks control no more often than it may: each answer counts
// for a while, and questions are bounded, those of one caller and those of all.
//
// It begins nothing and knows neither HTTP nor Temporal. Start reading at [Cache.Get].
package operations
