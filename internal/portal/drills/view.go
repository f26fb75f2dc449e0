package drills

import (
	"context"
	"embed"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/portal/restores"
	"infrabackup/internal/restore/drill"
)

// Templates are the pages' own parts, which are drawn in the layout of package portal.
//
//go:embed *.html
var Templates embed.FS

// Drills are the certificates of an instance. [control.Controller] documents the method.
type Drills interface {
	Drills(ctx context.Context, in drills.Input) (drills.Output, error)
}

// View is one request by a person who is logged in.
type View struct {
	*restores.View
	Drills Drills
	// Findings says that the person may see which items differ.
	Findings bool
}

// rowsAtOnce is how many drills a page lists.
const rowsAtOnce = 20

type listData struct {
	All           []drill.Listed
	From, Total   int
	Before, After string // addresses of other pages, empty for none
}

// List lists the drills.
func List(v *View) {
	from, err := strconv.Atoi(v.Request.URL.Query().Get("from"))
	if err != nil || from < 0 {
		from = 0
	}
	ctx, done, ok := v.Asking()
	if !ok {
		return
	}
	defer done()
	out, err := v.Drills.Drills(ctx, drills.Input{From: from, Count: rowsAtOnce})
	if err != nil {
		v.Failed(err)
		return
	}
	d := listData{All: out.Drills, From: out.From, Total: out.Total}
	if from > 0 {
		d.Before = at(max(0, from-rowsAtOnce))
	}
	if next := from + len(out.Drills); len(out.Drills) > 0 && next < out.Total {
		d.After = at(next)
	}
	v.Show(http.StatusOK, "drills", "Drills", d)
}

func at(from int) string { return "?" + url.Values{"from": {strconv.Itoa(from)}}.Encode() }

type drillData struct {
	drill.Listed
	C      *drill.Certificate // nil of one that is refused
	Hidden bool               // which items differ is not for this person
}

// Show shows what one certificate says.
func Show(v *View) {
	id, err := backup.ParseID(strings.ToLower(v.Request.PathValue("drill")))
	if err != nil {
		v.Failed(fault.Newf(fault.ItemNotFound, "there is no such drill"))
		return
	}
	ctx, done, ok := v.Asking()
	if !ok {
		return
	}
	defer done()
	out, err := v.Drills.Drills(ctx, drills.Input{DrillID: id})
	if err != nil {
		v.Failed(err)
		return
	}
	v.View.Show(http.StatusOK, "drill", "Drill "+string(id[:8]), drillData{out.Drills[0], out.Certificate, !v.Findings})
}
