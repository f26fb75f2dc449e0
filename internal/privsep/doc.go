// Package privsep separates the privileges of the worker's process (privilege
// separation, as in sshd): what opens a backup is made and used in children that do one
// thing each and end, and never enters the worker, whose memory nothing could erase.
//
// There are two kinds of children, both the worker's own program, started with arguments
// that are for its own use. One lives for one key: it makes the private half of a
// backup's key and wraps it to the operator's recipients ([KeyMaker] is its parent,
// makekey.go the child). The other lives for one file, for which age draws keys, encrypts
// it and takes its sums ([Encrypter], encrypt.go); plain text reaches it through shared
// memory (ring.go), and it writes the file itself. A child gets nothing of the worker's
// environment, restricts itself before there is a secret, as the program says
// ([Process].Confine), and keeps its memory out of the swap space where it may.
//
// It does no cryptography of its own, which is in seal, and knows nothing of the share
// or of Temporal. Start reading at [ChildFor], then [KeyMaker] and [Encrypter].
package privsep
