package args

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/settings"
)

// maxFlag bounds a flag's value, in bytes: a post-quantum recipient has about 2 KiB.
const maxFlag = 8 << 10

// CheckFlags refuses what is wrong with any command: a text that is empty, as a shell makes
// it of a variable that is not set, since another place or key would be used than was meant;
// and values that are too long.
func CheckFlags(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil {
			err = checkFlag(f)
		}
	})
	return err
}

func checkFlag(f *pflag.Flag) error {
	values := []string{f.Value.String()}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		values = list.GetSlice()
	}
	for _, value := range values {
		switch {
		case value == "":
			return fault.Usagef("--%s is given without a value", f.Name)
		case len(value) > maxFlag:
			return fault.Usagef("--%s is longer than %d bytes", f.Name, maxFlag)
		case f.Name == "username" && len(value) > settings.MaxUsername:
			return fault.Usagef("--%s is longer than %d bytes", f.Name, settings.MaxUsername)
		}
	}
	return nil
}

// Fault says in words what the flag library says about a flag.
func Fault(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return flagMistake(cmd, err)
	}
	want := map[string]string{
		"int": "a whole number", "duration": "a time such as 90s or 1h30m", "bool": "true or false",
	}[bad.GetFlag().Value.Type()]
	if want == "" {
		want = "of the right form"
	}
	return fault.Usagef("--%s %s is not %s", bad.GetFlag().Name, printable.Quote(bad.GetValue()), want)
}
