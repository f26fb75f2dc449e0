package restores

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/fault"
	"infrabackup/internal/recovery"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
)

// rowsAtOnce is how many rows of a plan a page shows, and maxNamed how many steps that cannot be
// undone are agreed to one by one: of more, all.
const (
	rowsAtOnce = 50
	maxNamed   = 50
)

type planData struct {
	P        planpage.Page
	Sections []sectionLink
	Before   string // address of the page before, empty for none
	After    string
	To       int // number of the last row
	// Named are the steps that are agreed to one by one; AllOf how many there are where it is all of
	// them that are agreed to.
	Named   []planpage.Step
	AllOf   int
	Expired bool
	Until   time.Time // when the key goes
	CanUndo bool
}

type sectionLink struct {
	Title, Query string
	Count        int
	Current      bool
}

// Read shows a plan, or asks for its key where none is held.
func Read(v *View) {
	id, ok := v.plan()
	if !ok {
		return
	}
	v.Fill(map[string]string{})
	v.read(http.StatusOK, id)
}

func (v *View) read(status int, id string) {
	query := v.Request.URL.Query()
	section := planpage.Section(query.Get("section"))
	if !section.Known() {
		section = planpage.Changes
	}
	from, err := strconv.Atoi(query.Get("from"))
	if err != nil || from < 0 || from > restore.MaxSteps {
		from = 0
	}
	ctx, done, ok := v.Asking()
	if !ok {
		return
	}
	defer done()
	page, err := v.Plans.Page(ctx, id, section, from, rowsAtOnce, v.By)
	if fault.CodeOf(err) == fault.KeyNotHeld {
		v.showOpen(status, id)
		return
	}
	if err != nil {
		v.Failed(err)
		return
	}
	d := planData{P: page, To: page.From + len(page.Steps) + len(page.Refused) + len(page.Lost), Until: v.Plans.Held(id, v.By)}
	d.Expired = page.State == "planned" && v.Now.After(page.Expires) // one that was begun is gone on with at any time
	d.CanUndo = page.Kind == restore.OfBackup && (page.State == "ended" || page.State == "unfinished")
	for _, s := range []sectionLink{
		{"Changes", string(planpage.Changes), page.Counts.Steps - page.Counts.Skip, false}, {"Without undo", string(planpage.Irreversible), page.Counts.Irreversible, false},
		{"Refused", string(planpage.Refused), page.Counts.Refused, false}, {"Lost", string(planpage.Lost), page.Counts.Lost, false}, {"All steps", string(planpage.Steps), page.Counts.Steps, false},
	} {
		s.Current = s.Query == string(page.Section)
		d.Sections = append(d.Sections, s)
	}
	if page.From > 0 {
		d.Before = rowsAt(page, max(0, page.From-rowsAtOnce))
	}
	if page.Next > 0 {
		d.After = rowsAt(page, page.Next)
	}
	if n := page.Counts.Irreversible; n > maxNamed {
		d.AllOf = n
	} else if n > 0 {
		named, err := v.Plans.Page(ctx, id, planpage.Irreversible, 0, maxNamed, v.By)
		if err != nil {
			v.Failed(err)
			return
		}
		if d.Named = named.Steps; len(named.Steps) < named.Total || tooLong(named.Steps) {
			d.Named, d.AllOf = nil, named.Total
		}
	}
	v.Show(status, "restore-plan", "Plan "+id[:16], d)
}

// maxTitles bounds the titles that a form brings back, as browsers write them: a form has 64 KiB.
const maxTitles = 32 << 10

// tooLong reports whether steps cannot be agreed to one by one: their titles are more than a form
// takes, or one of them was cut, so that it is no title.
func tooLong(steps []planpage.Step) bool {
	size := 0
	for _, s := range steps {
		size += len(url.QueryEscape(s.Title))
		if s.Cut() {
			return true
		}
	}
	return size > maxTitles
}

func rowsAt(p planpage.Page, from int) string {
	return "?" + url.Values{"section": {string(p.Section)}, "from": {strconv.Itoa(from)}}.Encode()
}

type openData struct {
	ID      string
	Backups []board.Backup
}

// showOpen asks for the key of a plan.
func (v *View) showOpen(status int, id string) {
	v.Show(status, "restore-open", "Plan "+id[:16], openData{id, Restorable(v.Board)})
}

// Open takes the key of a plan again.
func Open(v *View) {
	id, ok := v.plan()
	if !ok {
		return
	}
	v.Fill(map[string]string{fieldBackup: v.Value(fieldBackup)})
	given := recovery.Given{}
	if text := v.Value(fieldBackup); text != "" {
		of, err := backup.ParseID(text)
		if err != nil {
			v.Wrong(fieldBackup, "Choose a backup.")
			v.showOpen(http.StatusUnprocessableEntity, id)
			return
		}
		given.Backup = of
	}
	key, there := v.Key(fieldKey)
	defer key.Clear()
	if !there {
		v.showOpen(http.StatusUnprocessableEntity, id)
		return
	}
	given.Key = key
	if _, err := v.Plans.Open(v.Context, id, given, v.By); err != nil {
		field := fieldOf(err)
		if fault.CodeOf(err) == fault.Usage {
			field = fieldBackup
		}
		v.Refuse(field, err)
		v.showOpen(max(fault.CodeOf(err).HTTPStatus(), http.StatusBadRequest), id)
		return
	}
	v.To("restores/plans/" + id)
}

// Apply begins to do what a plan says, once its target's name was typed.
func Apply(v *View) {
	id, ok := v.plan()
	if !ok {
		return
	}
	consent := recovery.Consent{Target: v.Value("confirm"), Production: v.Value("production"), Irreversible: v.Request.PostForm["irreversible"]}
	v.Fill(map[string]string{})
	if consent.Target == "" {
		v.Wrong("confirm", "Type the name of the target to confirm that it is changed.")
		v.read(http.StatusUnprocessableEntity, id)
		return
	}
	begun, err := v.Plans.Apply(v.Context, id, consent, v.By)
	switch fault.CodeOf(err) {
	case "":
		v.To("operations/" + begun.ID)
	case fault.PlanConsent:
		v.Refuse("confirm", err)
		v.read(http.StatusUnprocessableEntity, id)
	case fault.TargetProduction:
		v.Refuse("production", err)
		v.read(http.StatusUnprocessableEntity, id)
	case fault.KeyNotHeld:
		v.To("restores/plans/" + id)
	default:
		v.Failed(err)
	}
}

// Undo begins to plan how a restore is taken back.
func Undo(v *View) {
	id, ok := v.plan()
	if !ok {
		return
	}
	begun, err := v.Plans.Undo(v.Context, id, v.By)
	switch {
	case err == nil:
		v.To("operations/" + begun.ID)
	case fault.CodeOf(err) == fault.KeyNotHeld:
		v.To("restores/plans/" + id)
	default:
		v.Failed(err)
	}
}
