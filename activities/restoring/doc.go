// Package restoring answers for the activities of restores that workers do. It opens what a
// request names, the share, one backup with the key that the request brings, the target, and
// the plan beside the backups, and calls internal/operator/restoring, which does the same for an
// operator without a worker. What is open is kept between the activities of one run, and
// forgotten when the run says so, after an error, or after a while.
//
// The key of the backup and the target's account are in the memory of this process while a
// restore runs, and at no other time. Start reading at [Activities].
package restoring
