package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/term"

	"infrabackup/internal/backup"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
)

// maxInput bounds files that an operator names.
const maxInput = 1 << 20

// password comes from a file, from standard input ("-"), or from a prompt; never from
// an argument, which every process list shows.
func (a *app) password(file, prompt string) (secret.String, error) {
	password, err := a.readPassword(file, prompt)
	if err == nil && len(password.Reveal()) > settings.MaxPassword {
		err = usage("the password is longer than %d bytes", settings.MaxPassword)
	}
	if err != nil {
		return secret.String{}, err
	}
	return password, nil
}

func (a *app) readPassword(file, prompt string) (secret.String, error) {
	switch {
	case file == "-":
		text, err := bufio.NewReader(io.LimitReader(a.stdin, maxInput)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return secret.String{}, fault.New(fault.Usage, "the password cannot be read from standard input", err)
		}
		line, err := secret.Text([]byte(strings.TrimRight(text, "\r\n")))
		if err != nil {
			return secret.String{}, fault.New(fault.Usage, "the password on standard input cannot be used", err)
		}
		return secret.New(string(line)), nil
	case file != "":
		return config.ReadSecret(file)
	}
	stdin, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return secret.String{}, usage("no password is given: use --password-file F, or - for standard input")
	}
	if _, err := io.WriteString(a.stderr, printable(prompt)+": "); err != nil {
		return secret.String{}, fault.New(fault.Internal, "the prompt cannot be shown", err)
	}
	text, err := term.ReadPassword(int(stdin.Fd()))
	a.say("")
	if err != nil {
		return secret.String{}, fault.New(fault.Usage, "the password cannot be read", err)
	}
	return secret.New(string(text)), nil
}

// ask wants one word before something that cannot be undone. Anything else is no.
func (a *app) ask(question, word string) error {
	if _, err := fmt.Fprintf(a.stderr, "%s Type %s to go on: ", printable(question), word); err != nil {
		return fault.New(fault.Internal, "the prompt cannot be shown", err)
	}
	text, err := bufio.NewReader(io.LimitReader(a.stdin, maxInput)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fault.New(fault.Usage, "the answer cannot be read", err)
	}
	if strings.TrimSpace(text) != word {
		return fault.Newf(fault.Cancelled, "nothing was done, because the answer was not %q", word)
	}
	return nil
}

// read reads a bounded file that a flag names.
func read(flag, file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.New(fault.Usage, flag+" cannot be read", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fault.New(fault.Usage, flag+" cannot be read", err)
	}
	if info.IsDir() { // a pipe is good: shells make one for <(...)
		return nil, usage("%s: %s is a folder", flag, file)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxInput+1))
	if err != nil {
		return nil, fault.New(fault.Usage, flag+" cannot be read", err)
	}
	if len(data) > maxInput {
		return nil, usage("%s: %s is longer than %d bytes", flag, file, maxInput)
	}
	if data, err = secret.Text(data); err != nil {
		return nil, fault.New(fault.Usage, flag+": "+file+" cannot be used", err)
	}
	return data, nil
}

// trustedSigners reads an allowed_signers file with a key in it: an empty one would count
// as none, and the keys on the share would be trusted instead.
func trustedSigners(file string) ([]byte, error) {
	data, err := read("--allowed-signers", file)
	if err != nil {
		return nil, err
	}
	keys, err := seal.ParseAllowedSigners(data)
	if err != nil {
		// It is the operator's file that is wrong, and no sign of a forged backup.
		return nil, fault.New(fault.Usage, "--allowed-signers: "+file+" cannot be used", fault.As(err).Unwrap())
	}
	if len(keys) == 0 {
		return nil, usage("--allowed-signers: %s has no key of %s", file, backup.SignerIdentity)
	}
	return data, nil
}

// identities reads the operator's private keys.
func identities(files []string) ([]seal.Identity, error) {
	var all []seal.Identity
	for _, file := range files {
		data, err := read("--identity", file)
		if err != nil {
			return nil, err
		}
		found, err := seal.ParseIdentities(data)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// createNew writes a secret file that must not exist yet.
func createNew(file string, text secret.String) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.Newf(fault.AlreadyExists, "%s exists, and a key is never overwritten", file)
	}
	if err != nil {
		return fault.New(fault.Usage, "the file cannot be made", err)
	}
	_, err = f.WriteString(text.Reveal())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fault.New(fault.Usage, file+" cannot be written", err), os.Remove(file))
	}
	return nil
}
