package main

import (
	"bytes"
	"encoding/json"
	"text/tabwriter"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/settings"
	"infrabackup/internal/ui"
	"infrabackup/internal/ui/prompt"
	"infrabackup/internal/ui/table"
)

// print writes one JSON document with -o json, else what table says.
func (a *app) print(document any, table func(w *tabwriter.Writer)) error {
	if a.output == "json" {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err := enc.Encode(document)
		if err == nil {
			_, err = a.stdout.Write(printable.JSON(text.Bytes()))
		}
		if err != nil {
			return fault.New(fault.Internal, "the output cannot be written", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	table(w)
	if err := w.Flush(); err != nil {
		return fault.New(fault.Internal, "the output cannot be written", err)
	}
	return nil
}

// say writes a message for people to standard error, see [ui.Say].
func (a *app) say(format string, args ...any) { ui.Say(a.stderr, format, args...) }

// errorDocument is an error with -o json.
type errorDocument struct {
	Error struct {
		Code    fault.Code `json:"code"`
		Message string     `json:"message"`
		Remedy  string     `json:"remedy"`
	} `json:"error"`
}

// fail reports an error and returns its exit code.
func (a *app) fail(err error) int {
	f := fault.As(err)
	if a.output == "json" {
		var doc errorDocument
		doc.Error.Code, doc.Error.Message, doc.Error.Remedy = f.Code, f.Message(), f.Remedy()
		if a.print(doc, nil) == nil {
			return f.Code.Exit()
		}
	}
	a.say("%s", f.Line())
	return f.Code.Exit()
}

// terminal reports whether the stream is a terminal that takes moving output.
func (a *app) terminal(stream any) bool {
	kind, _ := a.lookup("TERM")
	return kind != "dumb" && prompt.IsTerminal(stream)
}

// settingsDocument is what -o json prints of settings.
type settingsDocument struct {
	settings.Summary
	SigningKeyFingerprint string   `json:"signingKeyFingerprint"`
	Warnings              []string `json:"warnings"`
}

func (a *app) printSettings(s settings.Summary) error {
	document := settingsDocument{Summary: s, SigningKeyFingerprint: table.SignerFingerprint(s.SigningKey), Warnings: s.Warnings(time.Now())}
	err := a.print(document, func(w *tabwriter.Writer) { table.Settings(w, s) })
	a.warn(document.Warnings)
	return err
}
