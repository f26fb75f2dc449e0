package manual

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infrabackup/internal/build"
	"infrabackup/internal/fault"
	"infrabackup/starter/args"
)

// section is that of programs for users (man-pages(7)).
const section = "1"

// Command returns the command that writes the pages. It is for those who make packages, and no
// help lists it.
func Command(root *cobra.Command) *cobra.Command {
	var dir, date string
	cmd := &cobra.Command{
		Use:     "manual --dir D [--date DAY]",
		Short:   "Write the manual pages of all commands",
		Long:    `Write the manual pages of all commands into a folder that exists, for a package that installs them.`,
		Example: `  infrabackup manual --dir man1 --date 2026-11-30`,
		Hidden:  true,
		Args:    args.None,
		RunE: func(*cobra.Command, []string) error {
			if dir == "" {
				return fault.Usagef("--dir is needed: the folder that the pages are written to")
			}
			day, err := time.Parse(time.DateOnly, date)
			if err != nil && date != "" {
				return fault.Usagef("--date takes a day such as 2026-11-30")
			}
			return Write(root, dir, day)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder for the pages")
	cmd.Flags().StringVar(&date, "date", "", "day that the pages show; none when left out, so that the same program writes the same pages")
	return cmd
}

// Write writes a page for each command below root, and for root itself, that help lists. The
// zero day is left out. Existing pages are replaced.
func Write(root *cobra.Command, dir string, day time.Time) error {
	for _, cmd := range listed(root) {
		path := filepath.Join(dir, pageName(cmd)+"."+section)
		if err := os.WriteFile(path, Page(cmd, day), 0o644); err != nil {
			return fault.New(fault.Usage, "cannot write the manual page "+path, err)
		}
	}
	return nil
}

// listed are a command and those below it that help lists.
func listed(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, listed(c)...)
		}
	}
	return all
}

// pageName is what a command's page is called: git-style, with a dash for each blank.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// Page is the page of a command, in the man macros of roff (man(7)).
func Page(cmd *cobra.Command, day time.Time) []byte {
	p := &page{}
	shown := ""
	if !day.IsZero() {
		shown = day.Format(time.DateOnly)
	}
	p.macro("TH", strings.ToUpper(pageName(cmd)), section, shown, "infrabackup "+build.Version(), "infrabackup")
	p.macro("SH", "NAME")
	p.line(pageName(cmd) + " - " + cmd.Short)
	p.macro("SH", "SYNOPSIS")
	p.line(cmd.UseLine())
	p.macro("SH", "DESCRIPTION")
	p.text(description(cmd))
	p.flags("OPTIONS", cmd.NonInheritedFlags())
	p.flags("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		p.macro("SH", "EXAMPLES")
		p.literal(cmd.Example)
	}
	p.related(cmd)
	return p.Bytes()
}

func description(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return cmd.Long
	}
	return cmd.Short + "."
}

// page is a page that is being written.
type page struct{ bytes.Buffer }

// escaped keeps roff from reading a text: a backslash begins its escapes, a dash that may be
// copied is not a hyphen, and a dot or a quote at the beginning of a line is a request.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func (p *page) line(text string) { p.WriteString(escaped(text) + "\n") }

// macro writes a request with its arguments, each in quotes.
func (p *page) macro(name string, arguments ...string) {
	p.WriteString("." + name)
	for _, a := range arguments {
		p.WriteString(` "` + strings.ReplaceAll(escaped(a), `"`, `\(dq`) + `"`)
	}
	p.WriteString("\n")
}

// text writes paragraphs. Lines that are indented stand as they are, as --help shows them.
func (p *page) text(text string) {
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(paragraph, " ") {
			p.literal(paragraph)
			continue
		}
		p.macro("PP")
		for line := range strings.SplitSeq(paragraph, "\n") {
			p.line(strings.TrimSpace(line))
		}
	}
}

// literal writes lines that are neither filled nor joined.
func (p *page) literal(text string) {
	p.macro("PP")
	p.macro("nf")
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		p.line(line)
	}
	p.macro("fi")
}

func (p *page) flags(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.macro("SH", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		p.macro("TP")
		p.WriteString(`\fB` + escaped(name) + `\fR`)
		if kind != "" {
			p.WriteString(` \fI` + escaped(kind) + `\fR`)
		}
		p.WriteString("\n")
		p.line(usage)
	})
}

// related names the pages above and below.
func (p *page) related(cmd *cobra.Command) {
	var names []string
	if cmd.HasParent() {
		names = append(names, pageName(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, pageName(c))
		}
	}
	if len(names) == 0 {
		return
	}
	p.macro("SH", "SEE ALSO")
	for i, name := range names {
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		p.WriteString(`\fB` + escaped(name) + `\fR(` + section + ")" + end + "\n")
	}
}
