// Package prompt asks a person at a terminal, or reads what a script hands over in their place:
// a line, a secret that is not shown, one word before something that cannot be undone.
//
// Every wait ends with its context, and leaves the terminal as it was. Start reading at
// [Prompt].
package prompt
