package prompt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/secret"
	"infrabackup/internal/ui"
)

// maxLine bounds a line that is read.
const maxLine = 1 << 20

// Prompt asks on Out, and reads the answers from In.
type Prompt struct {
	In  io.Reader
	Out io.Writer
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Password asks at a terminal for a password, which is not shown while it is typed. In must be
// a terminal, see [IsTerminal].
func (p Prompt) Password(ctx context.Context, what string) (secret.String, error) {
	terminal, ok := p.In.(*os.File)
	if !ok {
		return secret.String{}, fault.Newf(fault.Internal, "the input is no terminal")
	}
	if _, err := io.WriteString(p.Out, printable.Text(what)+": "); err != nil {
		return secret.String{}, fault.New(fault.Internal, "the prompt cannot be shown", err)
	}
	text, err := readHidden(ctx, int(terminal.Fd()))
	ui.Say(p.Out, "")
	if err != nil {
		return secret.String{}, fault.OfInput(ctx, "the password cannot be read", err)
	}
	return text, nil
}

// readHidden reads a line from a terminal that does not show it. When ctx ends, or the
// terminal's quit key is pressed, the terminal shows again what is typed, and what was
// typed so far is thrown away, so that no shell gets it.
func readHidden(ctx context.Context, terminal int) (secret.String, error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGQUIT)
	defer stop()
	before, err := term.GetState(terminal)
	if err != nil {
		return secret.String{}, err
	}
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := term.ReadPassword(terminal)
		done <- result{text, err}
	}()
	select {
	case read := <-done:
		return secret.New(string(read.text)), read.err
	case <-ctx.Done():
		return secret.String{}, errors.Join(ctx.Err(), restoreTerminal(terminal, before))
	}
}

// Line reads a line, with its end.
func (p Prompt) Line(ctx context.Context) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := bufio.NewReader(io.LimitReader(p.In, maxLine)).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		done <- result{text, err}
	}()
	select {
	case read := <-done:
		return read.text, read.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Ask wants one word before something that cannot be undone. Anything else is no.
func (p Prompt) Ask(ctx context.Context, question, word string) error {
	if _, err := fmt.Fprintf(p.Out, "%s Type %s to go on: ", printable.Text(question), word); err != nil {
		return fault.New(fault.Internal, "the prompt cannot be shown", err)
	}
	text, err := p.Line(ctx)
	if err != nil {
		ui.Say(p.Out, "")
		return fault.OfInput(ctx, "the answer cannot be read", err)
	}
	if strings.TrimSpace(text) != word {
		return fault.Newf(fault.Cancelled, "nothing was done, because the answer was not %q", word)
	}
	return nil
}
