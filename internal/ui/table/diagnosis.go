package table

import (
	"text/tabwriter"

	"infrabackup/internal/flow/diagnosis"
)

// Diagnosis shows what every worker checked.
func Diagnosis(w *tabwriter.Writer, report diagnosis.Report) {
	for i, worker := range append([]diagnosis.Report{report}, report.Workers...) {
		if i > 0 {
			Line(w)
		}
		Line(w, "Worker:", worker.Host, worker.Version)
		for _, check := range worker.Checks {
			if check.OK {
				Line(w, "ok", check.Name, check.Message)
			} else {
				Line(w, "FAIL", check.Name, check.Code+": "+check.Message+" "+check.Remedy)
			}
		}
	}
}
