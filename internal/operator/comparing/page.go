package comparing

import (
	"io"
	"strings"
	"time"

	"infrabackup/internal/build"
	"infrabackup/internal/diff/report"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/operator/localfile"
)

// WritePage writes what was found as a page for people, to a new file for its owner only. It
// names the command that finds the same again, with the services that it was asked for.
func WritePage(file string, found *result.Report, services []string) error {
	other := string(found.B.BackupID)
	if other == "" {
		other = "--live --target F"
	}
	command := []string{"infrabackup backup diff", string(found.A.BackupID), other, "--identity F --json"}
	for _, service := range services {
		command = append(command, "--service "+service)
	}
	o := report.Options{Made: time.Now(), Product: "infrabackup " + build.Version(), Command: strings.Join(command, " ")}
	return localfile.CreateWith(file, func(w io.Writer) error { return report.HTML(w, found, o) })
}
