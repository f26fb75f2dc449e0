package folder

import (
	"fmt"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// MaxFindings bounds what is reported of a share that somebody filled with rubbish.
const MaxFindings = 500

// leftOut begins the message of the last finding of a list that was cut.
const leftOut = "this and whatever else is wrong is left out of the list: "

// Findings collects what is wrong, each code and file once.
type Findings struct {
	List []backup.Finding
	seen map[[2]string]bool
}

// Add enters a finding. Beyond [MaxFindings] there is one last one that says so.
func (f *Findings) Add(code fault.Code, file, format string, args ...any) {
	key := [2]string{string(code), file}
	if f.seen[key] || len(f.List) > MaxFindings {
		return
	}
	if f.seen == nil {
		f.seen = map[[2]string]bool{}
	}
	f.seen[key] = true
	message := fmt.Sprintf(format, args...)
	if len(f.List) == MaxFindings && !strings.HasPrefix(message, leftOut) { // it may come from a list that was cut
		message = leftOut + message
	}
	f.List = append(f.List, backup.Finding{Code: string(code), File: file, Message: message}.Clip())
}

// Take enters findings that were made elsewhere.
func (f *Findings) Take(others ...backup.Finding) {
	for _, o := range others {
		f.Add(fault.Code(o.Code), o.File, "%s", o.Message)
	}
}

// Damaged says what is wrong with a file.
func Damaged(file, message string) *backup.Finding {
	return &backup.Finding{Code: string(fault.BackupDamaged), File: file, Message: message}
}

// Denied says that the account may not read a file.
func Denied(file string, err error) backup.Finding {
	return backup.Finding{Code: string(fault.ShareAccessDenied), File: file, Message: fault.As(err).Message()}
}
