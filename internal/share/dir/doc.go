// Package dir is a [share.Store] on a local folder: a share that the operating
// system has mounted, a copied backup, or a test's temporary folder.
//
// It works within an [os.Root], so that no name leads out of the folder, and
// refuses symbolic links, which no Store writes. It calls fsync before an offset
// counts as written and renames with RENAME_NOREPLACE, which needs Linux. Unlike
// share/smb it cannot interrupt a system call that hangs in a dead mount; the end
// of ctx is seen between two of them. Start reading at [Open].
package dir
