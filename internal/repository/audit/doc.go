// Package audit says whether the backups on a share are those that belong there, in the
// state that the ledger tells of, and whether each is what was signed: of all of them
// ([Run], [VerifyAll]), of one as the ledger knows it ([VerifyOne]) or by itself
// ([Verify]), and with the operator's key down to every item. By the same means it finds
// out what a new controller has to know before it goes on with a share ([Adopt]), enters
// that ([TakeOver], [Restart], [Complete]), and what differs before keys are replaced
// ([Compare]).
//
// Others may be at work on the share meanwhile, which is no alarm: what is wrong is
// reported when further looks confirm it (stable.go). Whatever somebody put there is a
// finding or is named as foreign, and never keeps the rest from being looked at. An audit
// writes nothing; only what takes over a share appends to its ledger. Start reading at
// [Run], then snapshot.go for what one look sees and compare.go for what is made of it,
// verify.go and verify_items.go for one backup.
package audit
