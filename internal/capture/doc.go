// Package capture takes what a collector reads into the spool, encrypted, and from there to
// the share: source → tar → zstd → age → spool → share. What is large is uploaded while it is
// still captured. It decides what survives of an attempt that ends early, and where the next
// one goes on; who calls it, and how often, it does not know.
//
// Start reading at [Recorder.Capture], then sender.go for the early upload and upload.go for
// what completes it.
package capture
