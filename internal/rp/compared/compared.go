package compared

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
	"infrabackup/internal/rp/address"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/rp/operatorkey"
	"infrabackup/internal/rp/rows"
)

// Members of bodies.
const (
	memberA        = "a"
	memberB        = "b"
	memberServices = "services"
	memberKey      = "key"
	memberKeyOfB   = "keyOfB"
)

// maxBack is how many backups before the newest can be named by their number.
const maxBack = 500

// Diffs are the comparisons of an instance. [recovery.Diffs] documents the methods.
type Diffs interface {
	Compare(ctx context.Context, r recovery.DiffRequest, key privsep.OperatorKey, keyOfB *privsep.OperatorKey, by string) (control.Begun, error)
	Page(ctx context.Context, id string, q diffpage.Query, by string) (diffpage.Page, error)
}

// Call is one request about comparisons.
type Call struct {
	Diffs Diffs
	By    string // who calls
	Body  []byte // nil for none; it is cleared
	// Back is the backup that is so many before the newest one that can be restored from; the error
	// says that there is none, or that it is not known yet.
	Back func(n int) (backup.ID, error)
}

// Begin begins to compare two backups.
func (c Call) Begin(ctx context.Context) (begun control.Begun, err error) {
	if c.Body == nil {
		return begun, apierror.Content("", "is missing")
	}
	o, err := jsonbody.Parse(c.Body)
	clear(c.Body)
	if err != nil {
		return begun, err
	}
	if err := o.Only("", memberA, memberB, memberServices, memberKey, memberKeyOfB); err != nil {
		return begun, err
	}
	var r recovery.DiffRequest
	if r.A, err = c.backupOf(o, memberA, backup.Latest+"~1"); err != nil {
		return begun, err
	}
	if r.B, err = c.backupOf(o, memberB, backup.Latest); err != nil {
		return begun, err
	}
	if r.A == r.B {
		return begun, apierror.Content(memberB, "names the same backup as 'a'")
	}
	if r.Services, err = servicesOf(o); err != nil {
		return begun, err
	}
	key, given, err := operatorkey.Of(o, memberKey)
	if err != nil {
		return begun, err
	}
	defer key.Clear()
	if !given {
		return begun, apierror.Content(memberKey, "is missing")
	}
	other, given, err := operatorkey.Of(o, memberKeyOfB)
	if err != nil {
		return begun, err
	}
	defer other.Clear()
	keyOfB := &other
	if !given {
		keyOfB = nil
	}
	begun, err = c.Diffs.Compare(ctx, r, key, keyOfB, c.By)
	member := memberKey
	var side *recovery.SideError
	if errors.As(err, &side) && side.Backup == r.B && given {
		member = memberKeyOfB
	}
	return begun, operatorkey.Refused(err, member)
}

// backupOf is the backup that a member names: by its ID, as latest, or as latest~N.
func (c Call) backupOf(o jsonbody.Object, member, usual string) (backup.ID, error) {
	text, err := jsonbody.String(o, member, "")
	if err != nil {
		return "", err
	}
	if text == "" {
		text = usual
	}
	text = strings.ToLower(text)
	if text == backup.Latest {
		return c.Back(0)
	}
	if number, ok := strings.CutPrefix(text, backup.Latest+"~"); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > maxBack {
			return "", apierror.Content(member, "is not '"+backup.Latest+"~' with a number of at most "+strconv.Itoa(maxBack))
		}
		return c.Back(n)
	}
	id, err := backup.ParseID(text)
	if err != nil {
		return "", apierror.Content(member, "is neither the ID of a backup nor '"+backup.Latest+"' or '"+backup.Latest+"~1'")
	}
	return id, nil
}

func servicesOf(o jsonbody.Object) (all []backup.Service, err error) {
	f, ok := o[memberServices]
	if !ok || f.Value == nil {
		return nil, nil
	}
	list, ok := f.Value.([]any)
	if !ok || len(list) > len(backup.Services()) {
		return nil, apierror.Content(f.Name, "is not a list of services, each once")
	}
	for _, one := range list {
		text, ok := one.(string)
		service, err := backup.ParseService(text)
		if !ok || err != nil {
			return nil, apierror.Content(f.Name, "names a service that is not known")
		}
		all = append(all, service)
	}
	return all, nil
}

// maxRow bounds where a page may begin; a report has fewer rows than bytes.
const maxRow = 1 << 20

// Read reads a page of what a comparison has found, as the query says.
func (c Call) Read(ctx context.Context, id string, query url.Values) (page diffpage.Page, err error) {
	q := diffpage.Query{Section: diffpage.Section(query.Get("section"))}
	if q.Section == "" {
		q.Section = diffpage.Changes
	}
	if !q.Section.Known() {
		return page, rows.Refused("section", "is not one of changes, access and roles")
	}
	if text := query.Get("service"); text != "" {
		if q.Service, err = backup.ParseService(text); err != nil {
			return page, rows.Refused("service", "names no service that is known")
		}
	}
	if q.From, q.Count, err = rows.Of(query, maxRow, diffpage.MaxRows); err != nil {
		return page, err
	}
	if !address.IsGUID(id) {
		return page, notFound(id)
	}
	page, err = c.Diffs.Page(ctx, strings.ToLower(id), q, c.By)
	if fault.CodeOf(err) == fault.ItemNotFound {
		return page, notFound(id)
	}
	if fault.CodeOf(err) == fault.KeyNotHeld {
		f := apierror.AtRequest(err)
		f.Status, f.Remedy = http.StatusConflict, "Begin a comparison of your own, with the key."
		return page, f
	}
	return page, err
}

func notFound(id string) error {
	return apierror.NotFound("The comparison " + apierror.Quoted(id) + " could not be found; results are kept for some days.")
}
