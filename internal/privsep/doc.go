// Package privsep separates the privileges of the processes that serve (privilege
// separation, as in sshd): what opens a backup is made and used in children that do one
// thing each and end, and whose memory the kernel clears. Nothing could erase that of a
// process that goes on.
//
// There are three kinds of children, each its parent's own program, started with arguments
// that are for its own use. Two are the worker's. One lives for one key: it makes the
// private half of a backup's key and wraps it to the operator's recipients ([KeyMaker] is
// its parent, makekey.go the child). Another lives for one file, for which age draws keys, encrypts
// it and takes its sums ([Encrypter], encrypt.go); plain text reaches it through shared
// memory (ring.go), and it writes the file itself. The third is that of the process that
// serves API and page: it gets an operator's private key and hands back the key of one backup
// ([KeyOpener], openkey.go). The operator's key goes through the parent, which clears its own
// copy, and what parses it and works with it ends with the child. A child gets nothing of its
// parent's environment, restricts itself before there is a secret, as the program says
// ([Process].Confine), and keeps its memory out of the swap space where it may.
//
// It does no cryptography of its own, which is in seal, and knows nothing of the share
// or of Temporal. Start reading at [ChildFor], then [KeyMaker] and [Encrypter].
package privsep
