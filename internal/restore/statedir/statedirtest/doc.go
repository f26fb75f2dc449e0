// Package statedirtest holds implementations of [statedir.Store] to its contract. Start reading
// at [Run].
package statedirtest
