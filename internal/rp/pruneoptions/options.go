package pruneoptions

import (
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/rp/jsonbody"
)

// Parse reads {"operationType":"Default"|"DryRun"}; nothing given is Default.
func Parse(data []byte) (dryRun bool, err error) {
	if data == nil {
		return false, nil
	}
	o, err := jsonbody.Parse(data)
	if err != nil {
		return false, err
	}
	if err := o.Only("", "operationType"); err != nil {
		return false, err
	}
	kind, err := jsonbody.String(o, "operationType", "")
	if err != nil {
		return false, err
	}
	switch {
	case kind == "", strings.EqualFold(kind, "Default"):
		return false, nil
	case strings.EqualFold(kind, "DryRun"):
		return true, nil
	}
	return false, apierror.BadValue(apierror.CodeContent, "operationType", "The operation type "+apierror.Quoted(kind)+" is not known; nothing was removed.", "Use Default or DryRun.")
}
