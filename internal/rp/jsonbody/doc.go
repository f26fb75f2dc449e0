// Package jsonbody reads JSON that callers send: bounded in size, depth and number of members,
// without duplicates, and with nothing behind it. What is wrong is told with the member that
// it is wrong in. Start reading at [Read] and [Parse].
package jsonbody
