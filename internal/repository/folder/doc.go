// Package folder is the ground that the packages below repository stand on: the folder of
// one instance on a share, and what is done with single files and folders in it. Small
// files of others are read with a bound, and a rename whose reply was lost is recognised.
// What [Folder.Deliver] and [Folder.CreateExclusive] write never replaces what is there, and
// is read back before it gets its name; whoever uses [Folder.Write] looks to both. What
// others put into a folder is told apart from the product's by its name, and stays or moves
// out of the way.
//
// It knows the names that files have, and neither what stands in them nor what a backup
// is: it reads no manifest, checks no signature and decides nothing. Only the packages
// below repository import it. Start reading at [Folder], then deliver.go for how a file
// gets onto the share and clear.go for how it leaves; names.go says whose a file is.
package folder
