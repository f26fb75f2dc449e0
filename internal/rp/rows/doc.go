// Package rows reads from the query of an address which rows of a longer list are wanted: from and
// count, as all lists of /api/v1 that have pages name them. Start reading at [Of].
package rows
