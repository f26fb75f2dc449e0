// Package operatorkey takes operators' private keys out of bodies below /api/v1: a .pfx in base64 with
// its password, or the text of a key file. What is wrong with one is tied to its member, and repeats
// nothing of it. The caller clears what it gets. Start reading at [Of].
package operatorkey
