// Package queue reads ahead in order: a few requests are under way at once, and what comes
// of them is handed on in the order in which it was asked for. What waits for its turn
// holds a bounded share of memory, see [azure.Ahead].
//
// It knows nothing of what is read. Start reading at [InOrder].
package queue
