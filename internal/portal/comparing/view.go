package comparing

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/fault"
	"infrabackup/internal/portal/restores"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
)

// Templates are the pages' own parts, which are drawn in the layout of package portal.
//
//go:embed *.html
var Templates embed.FS

// Diffs are the comparisons of an instance. [recovery.Diffs] documents the methods.
type Diffs interface {
	Compare(ctx context.Context, r recovery.DiffRequest, key privsep.OperatorKey, keyOfB *privsep.OperatorKey, by string) (control.Begun, error)
	Page(ctx context.Context, id string, q diffpage.Query, by string) (diffpage.Page, error)
}

// View is one request by a person who is logged in.
type View struct {
	*restores.View
	Diffs Diffs
}

// Fields of the form.
const (
	fieldA       = "a"
	fieldB       = "b"
	fieldService = "service"
	fieldKey     = "key"
	fieldKeyOfB  = "keyOfB"
)

type newData struct {
	Backups  []board.Backup // that can be compared, newest first
	Services []choice
}

type choice struct {
	Service backup.Service
	Chosen  bool
}

// New is the form: of the two newest backups, or of the one that is named and the one before it.
func New(v *View) {
	all := restores.Restorable(v.Board)
	values := map[string]string{}
	at := max(0, slices.IndexFunc(all, func(b board.Backup) bool { return string(b.BackupID) == v.Request.URL.Query().Get(fieldB) }))
	if at < len(all) {
		values[fieldB] = string(all[at].BackupID)
	}
	if at+1 < len(all) {
		values[fieldA] = string(all[at+1].BackupID)
	}
	v.Fill(values)
	v.showNew(http.StatusOK)
}

func (v *View) showNew(status int) {
	d, chosen := newData{Backups: restores.Restorable(v.Board)}, strings.Fields(v.Typed(fieldService))
	for _, s := range backup.Services() {
		d.Services = append(d.Services, choice{s, slices.Contains(chosen, string(s))})
	}
	v.Show(status, "diff-new", "Compare two backups", d)
}

// Begin begins to compare.
func Begin(v *View) {
	values := map[string]string{fieldA: v.Value(fieldA), fieldB: v.Value(fieldB), fieldService: strings.Join(v.Request.PostForm[fieldService], " ")}
	v.Fill(values)
	good := true
	wrong := func(field, message string) {
		v.Wrong(field, message)
		good = false
	}
	var r recovery.DiffRequest
	for field, to := range map[string]*backup.ID{fieldA: &r.A, fieldB: &r.B} {
		id, err := backup.ParseID(values[field])
		if err != nil {
			wrong(field, "Choose a backup.")
		}
		*to = id
	}
	if r.A == r.B && r.A != "" {
		wrong(fieldB, "Choose another backup than the first: a backup does not differ from itself.")
	}
	for _, name := range v.Request.PostForm[fieldService] {
		service, err := backup.ParseService(name)
		if err != nil {
			wrong("", "A service is not known.")
			break
		}
		r.Services = append(r.Services, service)
	}
	key, given := v.Key(fieldKey)
	defer key.Clear()
	other, has, usable := v.OptionalKey(fieldKeyOfB)
	defer other.Clear()
	if !good || !given || !usable {
		v.showNew(http.StatusUnprocessableEntity)
		return
	}
	keyOfB := &other
	if !has {
		keyOfB = nil
	}
	begun, err := v.Diffs.Compare(v.Context, r, key, keyOfB, v.By)
	if err != nil {
		v.Refuse(fieldOf(err, r, has), err)
		v.showNew(max(fault.CodeOf(err).HTTPStatus(), http.StatusBadRequest))
		return
	}
	v.To("operations/" + begun.ID)
}

// fieldOf is the field that an error of a comparison is about.
func fieldOf(err error, r recovery.DiffRequest, has bool) string {
	field, key := fieldA, fieldKey
	var side *recovery.SideError
	if errors.As(err, &side) && side.Backup == r.B {
		if field = fieldB; has {
			key = fieldKeyOfB
		}
	}
	switch fault.CodeOf(err) {
	case fault.KeyPassword:
		return restores.PasswordOf(key)
	case fault.KeyInvalid, fault.KeyDoesNotFit:
		return key
	case fault.BackupNotFound, fault.BackupDamaged, fault.BackupForged:
		return field
	}
	return ""
}

// rowsAtOnce is how many rows a page shows.
const rowsAtOnce = 50

type diffData struct {
	P             diffpage.Page
	ID            string
	Sections      []link
	Services      []link // of the changes
	Before, After string // addresses of other pages, empty for none
	To            int    // number of the last row
}

type link struct {
	Title, Query string
	Count        int64
	Current      bool
}

// Read shows what a comparison has found.
func Read(v *View) {
	query := v.Request.URL.Query()
	q := diffpage.Query{Section: diffpage.Section(query.Get("section")), Count: rowsAtOnce}
	if !q.Section.Known() {
		q.Section = diffpage.Changes
	}
	if service, err := backup.ParseService(query.Get("service")); err == nil && q.Section == diffpage.Changes {
		q.Service = service
	}
	if from, err := strconv.Atoi(query.Get("from")); err == nil && from > 0 {
		q.From = from
	}
	ctx, done, ok := v.Asking()
	if !ok {
		return
	}
	defer done()
	id := v.Request.PathValue("diff")
	page, err := v.Diffs.Page(ctx, id, q, v.By)
	if err != nil {
		v.Failed(err)
		return
	}
	d := diffData{P: page, ID: id, To: page.From + len(page.Changes) + len(page.Access) + len(page.Roles)}
	var all int64
	for _, s := range page.Report.Services {
		n := s.Added + s.Removed + s.Changed + s.Moved
		all += n
		if n > 0 {
			d.Services = append(d.Services, link{string(s.Service), address(diffpage.Changes, s.Service, 0), n, page.Service == s.Service})
		}
	}
	if len(d.Services) > 1 {
		d.Services = append([]link{{"All services", address(diffpage.Changes, "", 0), all, page.Service == "" && page.Section == diffpage.Changes}}, d.Services...)
	}
	access := page.Report.Access
	d.Sections = []link{
		{"Items", address(diffpage.Changes, "", 0), all, page.Section == diffpage.Changes}, {"Access gained and lost", address(diffpage.Access, "", 0), access.Gained + access.Lost, page.Section == diffpage.Access},
		{"Roles", address(diffpage.Roles, "", 0), page.RoleChanges, page.Section == diffpage.Roles},
	}
	if page.From > 0 {
		d.Before = address(page.Section, page.Service, max(0, page.From-rowsAtOnce))
	}
	if page.Next > 0 {
		d.After = address(page.Section, page.Service, page.Next)
	}
	v.Show(http.StatusOK, "diff", "What differs", d)
}

// address is that of a page of the comparison.
func address(section diffpage.Section, service backup.Service, from int) string {
	query := url.Values{"section": {string(section)}}
	if service != "" {
		query.Set("service", string(service))
	}
	if from > 0 {
		query.Set("from", strconv.Itoa(from))
	}
	return "?" + query.Encode()
}
