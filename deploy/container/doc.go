// Package container holds what makes an image of the worker and the command line, and a test that does by
// itself what its Containerfile says and makes a backup inside of what comes of it.
//
// Nothing of it is linked into the product. Start reading at Containerfile.
package container
