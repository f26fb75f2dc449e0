// Package mount connects to the share that settings name.
//
// Workers and the command line read the same settings, and must come to the same share in
// the same way: with the same protection on the wire above all. The package decides
// nothing about the share and reads nothing from it. Start reading at [Open].
package mount
