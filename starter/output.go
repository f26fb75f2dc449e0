package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
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

// say writes a message for people to standard error. What args say is made printable,
// wherever it comes from. A message that cannot be written is no reason to fail.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format+"\n", printable.Args(args)...)
}

// line writes a line of a table; errors show when the table is flushed.
func line(w *tabwriter.Writer, cells ...any) {
	text := make([]string, len(cells))
	for i, cell := range cells {
		text[i] = printable.Text(fmt.Sprint(cell))
	}
	_, _ = fmt.Fprintln(w, strings.Join(text, "\t"))
}

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
	file, ok := stream.(*os.File)
	dumb, _ := a.lookup("TERM")
	return ok && dumb != "dumb" && term.IsTerminal(int(file.Fd()))
}

// size renders bytes for people, in binary units.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, exp := float64(n)/unit, 0
	for value >= unit && exp < 4 {
		value, exp = value/unit, exp+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[exp])
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// showBackup prints one backup in full.
func (a *app) showBackup(b backup.Overview) error {
	return a.print(b, func(w *tabwriter.Writer) {
		line(w, "Backup:", b.BackupID)
		line(w, "Status:", b.Status)
		line(w, "Started:", when(b.StartedAt))
		line(w, "Finished:", when(b.FinishedAt))
		line(w, "Path:", b.Path)
		line(w, "Size:", size(b.TotalBytes))
		line(w, "Asked for by:", b.RequestedBy)
		for _, r := range b.Recipients {
			line(w, "Opens with:", r.Kind+" "+r.Fingerprint)
		}
		if b.Message != "" {
			line(w, "Message:", b.Message)
		}
		line(w)
		line(w, "SERVICE", "STATUS", "ITEMS", "SIZE", "GAPS", "MESSAGE")
		for _, s := range b.Services {
			line(w, s.Service, s.Status, s.Items, size(s.Bytes), len(s.Gaps), strings.TrimSpace(s.Code+" "+s.Message))
		}
		for _, s := range b.Services {
			if len(s.Gaps) == 0 {
				continue
			}
			line(w)
			line(w, fmt.Sprintf("Noted about %s:", s.Service))
			for _, g := range s.Gaps {
				object := g.Object
				if g.Count > 1 {
					object = fmt.Sprintf("%s (%d)", object, g.Count)
				}
				line(w, "  "+g.Code, object, g.Reason)
			}
		}
		if b.Consistency != nil {
			consistencyTable(w, b.Consistency)
		}
		if b.Foreign.Count > 0 {
			line(w)
			foreignLines(w, b.Foreign)
		}
	})
}

// partial is the exit code of a finished backup.
func partial(b backup.Overview) error {
	if b.Status == backup.PartialSucceeded {
		return exitCode(fault.ExitPartial)
	}
	return nil
}
