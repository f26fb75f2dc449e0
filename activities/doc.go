// Package activities is the only bridge from the Temporal contract to the rest of
// the product. An activity reads its input, gets the settings of the pinned
// revision, calls domain code, reports progress and translates faults; it decides
// nothing that domain code could decide.
//
// Activities are idempotent: each may run again after a crash at any point. What is
// retried stands in the table of package fault; wrap.go is where a fault becomes
// Temporal's error. Start reading at [Activities], then collect.go and upload.go.
package activities
