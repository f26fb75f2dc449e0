package args

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// NeedsCommand answers a group that was called without a command.
func NeedsCommand(cmd *cobra.Command, _ []string) error {
	return fault.Usagef("%s needs a command: %s", cmd.CommandPath(), strings.Join(commandNames(cmd), ", "))
}

func commandNames(cmd *cobra.Command) []string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

// None takes no argument.
func None(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fault.Usagef("%s takes no argument, and %s is given", cmd.CommandPath(), printable.Quote(args[0]))
	}
	return nil
}

// Unknown finds the first word that should be a command and is none, or nil. Flags are
// passed over, since those of the command that was meant are not known here.
func Unknown(root *cobra.Command, args []string) error {
	at := root
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case word == "--":
			return nil
		case strings.HasPrefix(word, "-"):
			if takesNext(at, word) {
				i++
			}
			continue
		case word == "help" || strings.HasPrefix(word, cobra.ShellCompRequestCmd):
			return nil
		}
		next := slices.IndexFunc(at.Commands(), func(sub *cobra.Command) bool { return sub.Name() == word || sub.HasAlias(word) })
		if next < 0 {
			return unknownCommand(root, at, word)
		}
		if at = at.Commands()[next]; !at.HasAvailableSubCommands() {
			return nil
		}
	}
	return nil
}

// takesNext reports whether a flag's value is the next word. Only the flags that all
// commands of a group have can stand before the command.
func takesNext(group *cobra.Command, word string) bool {
	if strings.Contains(word, "=") {
		return false
	}
	var flag *pflag.Flag
	for at := group; at != nil && flag == nil; at = at.Parent() {
		if name, long := strings.CutPrefix(word, "--"); long {
			flag = at.PersistentFlags().Lookup(name)
		} else if len(word) == 2 {
			flag = at.PersistentFlags().ShorthandLookup(word[1:])
		}
	}
	return flag != nil && flag.NoOptDefVal == ""
}

// unknownCommand says which commands are near to a word, wherever they are.
func unknownCommand(root, at *cobra.Command, word string) error {
	near := nearest(word, commandNames(at))
	for i, name := range near {
		near[i] = strings.TrimPrefix(at.CommandPath()+" "+name, root.Name()+" ")
	}
	if len(near) == 0 { // in another group, or under another name
		for _, group := range root.Commands() {
			if group == at {
				continue
			}
			for _, name := range commandNames(group) {
				if name == word || slices.Contains(nearest(word, []string{name}), name) {
					near = append(near, group.Name()+" "+name)
				}
			}
		}
	}
	if meant, ok := otherWords[word]; ok && len(near) == 0 {
		near = meant
	}
	text := fmt.Sprintf("unknown command %s of %s", printable.Quote(word), at.CommandPath())
	if len(near) > 0 {
		for i, command := range near {
			near[i] = "`" + root.Name() + " " + command + "`"
		}
		return fault.Usagef("%s; did you mean %s?", text, strings.Join(near[:min(len(near), 3)], " or "))
	}
	return fault.Usagef("%s; it has %s", text, strings.Join(commandNames(at), ", "))
}

// otherWords are what other programs call the commands here.
var otherWords = map[string][]string{
	"ls": {"backup list"}, "rm": {"backup delete"}, "remove": {"backup delete"}, "create": {"backup start"}, "run": {"backup start"},
	"stop": {"backup cancel"}, "abort": {"backup cancel"}, "status": {"backup watch", "backup list"}, "check": {"doctor", "backup verify"},
	"config": {"settings show"}, "init": {"enable"}, "password": {"credentials set"}, "log": {"settings history"},
}

// flagMistake says which flag was probably meant.
func flagMistake(cmd *cobra.Command, err error) error {
	name, found := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !found || cmd == nil {
		return fault.Usagef("the command was not understood (%s)", printable.Short(err.Error()))
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	text := fmt.Sprintf("unknown flag --%s of %s", printable.Short(printable.Text(name)), cmd.CommandPath())
	if near := nearest(name, names); len(near) > 0 {
		return fault.Usagef("%s; did you mean --%s?", text, strings.Join(near[:min(len(near), 3)], " or --"))
	}
	return fault.Usagef("%s", text)
}

// nearest returns the names that a typing error could make word of, the nearest first.
func nearest(word string, names []string) []string {
	word = strings.ToLower(word)
	if len(word) < 2 || len(word) > 40 {
		return nil
	}
	distances := map[string]int{}
	var near []string
	for _, name := range names {
		d := distance(word, name)
		if strings.HasPrefix(name, word) {
			d = min(d, 1)
		}
		if d <= max(1, len(name)/3) {
			distances[name] = d
			near = append(near, name)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return distances[a] - distances[b] })
	return slices.Compact(near)
}

// distance counts the letters that were left out, added, changed or exchanged with their
// neighbour (optimal string alignment).
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// WantJSON looks for -o json in arguments that could not be parsed.
func WantJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "-ojson", "-o=json", "--output=json":
			return true
		case "-o", "--output":
			return i+1 < len(args) && args[i+1] == "json"
		}
	}
	return false
}
