// Package ledger keeps the list of what was done to the backups of an instance: one file
// an entry in the folder ledger/, each signed, each naming the one before it. It reads and
// checks the chain, says what it tells of a backup, follows the signing keys through their
// changes, and sets a ledger aside so that a new one can begin.
//
// Whoever can write to the share can cut the ledger; that shows only to one who remembers
// its newest entry, the head. [Writer] is how entries are made under a head that is
// remembered elsewhere; where that is, a [HeadStore] says. Any step of that may be the
// last, and is repeated by whoever makes the next entry.
//
// It works on files of one folder and on what is signed in them: it reads no backup, knows
// nothing of Temporal, and holds no key longer than a call or a Writer's life. Start
// reading at [Dir.Read] and [Ledger], then [Dir.Append] for one entry and [Writer.Append]
// for the whole protocol; signers.go says whose signature counts from when on.
package ledger
