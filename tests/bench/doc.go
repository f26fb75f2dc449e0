// Command bench measures what the product does side by side with other tools, on the same
// bytes, to the same SMB server, in the same run, and prints ratios: a whole backup, its
// verification, taking a service or one file out of it, giving backups another key, and
// backups to a share that is far away; and a restore of the directory beside adding the same
// objects. Then it measures
// the capture of a stand-in stamp side by side with nothing but reading the same lists
// and documents, each once, by azcore; and the memory that captures of stamps of 10,
// 1,000 and 100,000 resources need.
//
// It runs the built product as an operator does, on the lab's servers, with share and
// spool on a RAM disk. A peer that is not installed is named as missing. Requests and bytes
// are counted by a link in front of the share, in a run of its own, because the link takes
// processor time that a measured run must not pay. For the stamp
// it runs the product's capture activities without a Temporal server; stamp, capture
// and reader are processes of their own. The capture has the built worker's children
// encrypt, as a worker does: their processor time is counted with its own, their memory
// is not (OPERATIONS.md says how much that is).
//
// With --profiles it builds a worker that writes processor profiles (worker/profile.go), has
// it take one more backup, and prints what worker and children spent most on.
//
// It gives no verdict. Processes that have
// other work take time from all contenders alike, and most from those that use both
// processors: measure on a machine that is idle. Under each table it says how busy the machine
// was. Start reading at main.go, then compare.go.
package main
