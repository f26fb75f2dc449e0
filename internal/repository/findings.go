package repository

import (
	"fmt"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// maxFindings bounds what is reported of a share that somebody filled with rubbish.
const maxFindings = 500

// leftOut begins the message of the last finding of a list that was cut.
const leftOut = "this and whatever else is wrong is left out of the list: "

// findings collects what is wrong, each code and file once.
type findings struct {
	list []backup.Finding
	seen map[[2]string]bool
}

// add enters a finding. Beyond [maxFindings] there is one last one that says so.
func (f *findings) add(code fault.Code, file, format string, args ...any) {
	key := [2]string{string(code), file}
	if f.seen[key] || len(f.list) > maxFindings {
		return
	}
	if f.seen == nil {
		f.seen = map[[2]string]bool{}
	}
	f.seen[key] = true
	message := fmt.Sprintf(format, args...)
	if len(f.list) == maxFindings && !strings.HasPrefix(message, leftOut) { // it may come from a list that was cut
		message = leftOut + message
	}
	f.list = append(f.list, backup.Finding{Code: string(code), File: file, Message: message}.Clip())
}

// take enters findings that were made elsewhere.
func (f *findings) take(others ...backup.Finding) {
	for _, o := range others {
		f.add(fault.Code(o.Code), o.File, "%s", o.Message)
	}
}
