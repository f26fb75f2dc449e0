// Command bench measures a whole backup side by side with other tools, on the same
// bytes, to the same SMB server, in the same run, and prints ratios.
//
// It runs the built product as an operator does, on the lab's servers, with share and
// spool on a RAM disk. A peer that is not installed is named as missing. It gives no
// verdict. Start reading at main.go.
package main
