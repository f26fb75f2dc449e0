package privsep

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Arguments with which a program starts itself.
const (
	makeKeyMode = "make-key"
	openKeyMode = "open-key"
	encryptMode = "encrypt" // before a recipient
)

// Process is what a child gets from its surroundings. All of it is needed.
type Process struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Inherited is [InheritedFiles], of a child that is a process.
	Inherited func() (output, shared *os.File)
	// Confine restricts the whole process. It is called before there is a secret, and a
	// child for which it fails does nothing else.
	Confine func() error
}

// Child does what a process was started for, and returns its exit code.
type Child func(p Process) int

// ChildFor returns what the arguments of a process, without its name, start it for. It
// reports false for one that is no child. A program calls it before anything else, so
// that a child does nothing but that.
func ChildFor(args []string) (Child, bool) {
	switch {
	case len(args) == 1 && args[0] == makeKeyMode:
		return ignoreSignals(makeKey), true
	case len(args) == 1 && args[0] == openKeyMode:
		return ignoreSignals(openKey), true
	case len(args) == 2 && args[0] == encryptMode:
		return ignoreSignals(func(p Process) int { return encrypt(p, args[1]) }), true
	}
	return nil, false
}

// RunKeyOpener ends the process with what the child of a [KeyOpener] returns, in one that is
// that child by its arguments, and does nothing in others: a program that starts no other
// children takes their arguments for mistakes. It confines the child with [Confine].
func RunKeyOpener() {
	if len(os.Args) == 2 && os.Args[1] == openKeyMode {
		child, _ := ChildFor(os.Args[1:])
		os.Exit(child(Process{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Inherited: InheritedFiles, Confine: Confine}))
	}
}

// ignoreSignals lets a child ignore SIGTERM and SIGINT, which a service manager or
// a terminal sends to all processes of a service: their parent decides what it still
// finishes. Without a parent a child ends, because its input does, or its time.
func ignoreSignals(child Child) Child {
	return func(p Process) int {
		signals := make(chan os.Signal, 1) // what does not fit is dropped, and so is what does
		signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
		defer signal.Stop(signals)
		return child(p)
	}
}
