// Package comparing answers for the activity that compares two backups, for callers who cannot reach
// the share. It opens the backups with the keys that the request brings, each that of one backup,
// and cuts what differs to what a result of Temporal holds. What is a secret the comparison shows by
// a keyed digest alone, whose key is drawn for this one comparison. Start reading at [Activities].
package comparing
