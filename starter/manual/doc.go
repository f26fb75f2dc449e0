// Package manual writes the program's manual pages, one for each command, from the same texts
// that --help shows, for packages that install them.
//
// It knows commands and nothing of what they do. Start reading at [Command].
package manual
