// Package unwritable lists the attributes of directory objects that a restore does not write with
// them, each with its reason. It looks at names only, and does no I/O. Start reading at [ReasonOf].
package unwritable
