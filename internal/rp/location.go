package rp

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/rp/wire"
)

// locationID is the id of a location, with the names in the spelling of the caller; the fixed
// words are always spelt the same, since clients hold them against a pattern.
func (x *exchange) locationID(name string) string {
	return "/subscriptions/" + x.params.Subscription + "/resourceGroups/" + x.params.Group + "/providers/" + wire.LocationType + "/" + name
}

// spelled is the location's name as the caller spells it, or as it is configured where the
// caller does not name it.
func (x *exchange) spelled() string {
	if x.params.Location != "" {
		return x.params.Location
	}
	return x.loc.name
}

// locationBody is the location as the version shows it.
func (x *exchange) locationBody(snapshot *board.Snapshot) any {
	name := x.spelled()
	r := wire.Resource{ID: x.locationID(name), Name: name, Type: wire.LocationType, Location: x.loc.name, Tags: map[string]string{}}
	return x.version.location(r, storeOf(snapshot))
}

// storeOf is what a snapshot shows of the store. What was never set is empty, with the usual
// schedule.
func storeOf(s *board.Snapshot) wire.Store {
	plan := settingOf(s)
	out := wire.Store{
		Capacity: wire.Capacity(s.Capacity.Free), Frequency: plan.FrequencyHours, Retention: plan.RetentionDays, Scheduled: plan.Enabled, Next: wire.Date(s.Next),
	}
	if s.Enabled {
		out.Path, out.User, out.Thumbprint = s.Settings.Share.Path, s.Settings.Username, thumbprintOf(s)
	}
	for _, b := range s.Backups {
		if b.Status == backup.Succeeded || b.Status == backup.PartialSucceeded {
			out.Last = wire.Date(b.FinishedAt)
			break
		}
	}
	return out
}

// thumbprintOf is that of the certificate among the recipients, nil when there is none.
func thumbprintOf(s *board.Snapshot) *string {
	for _, r := range s.Settings.Recipients {
		if r.Thumbprint != "" {
			return &r.Thumbprint
		}
	}
	return nil
}

func (x *exchange) listOperations() error {
	body := wire.OperationList{Value: []wire.Operation{}}
	body.Value = append(body.Value, x.version.operations...)
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

func (x *exchange) listLocations() error {
	top, skip, err := x.page()
	if err != nil {
		return err
	}
	body := wire.List{Value: []any{}}
	for i, l := range x.h.inGroup(x.params.Group) {
		if i < skip || i >= skip+top {
			continue
		}
		x.loc = l
		l.Board.Looked()
		if err := unread(l.Board.Snapshot()); err != nil {
			return err
		}
		body.Value = append(body.Value, x.locationBody(l.Board.Snapshot()))
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

func (x *exchange) getLocation() error {
	return x.answer(http.StatusOK, apierror.MediaType, x.locationBody(x.snap))
}

// noLimit is a page that is never full.
const noLimit = 1 << 30

// page reads $top and $skip, where the version has them.
func (x *exchange) page() (top, skip int, err error) {
	if !x.version.pages {
		return noLimit, 0, nil
	}
	query := x.r.URL.Query()
	if top, err = count(query, "$top", noLimit); err != nil {
		return 0, 0, err
	}
	skip, err = count(query, "$skip", 0)
	return top, skip, err
}

func count(query url.Values, name string, without int) (int, error) {
	given, ok := queryValue(query, name)
	if !ok || given == "" {
		return without, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(given))
	if err != nil || n < 0 {
		return 0, apierror.BadValue("InvalidQueryParameterValue", name, "The query parameter "+name+" has the value "+apierror.Quoted(given)+", which is no number from 0 on.", "Give a number, or leave the parameter out.")
	}
	return min(n, noLimit), nil
}
