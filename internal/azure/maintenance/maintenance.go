package maintenance

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/fault"
)

const (
	provider    = "Microsoft.Update.Admin"
	apiVersion  = "2016-05-01"
	updating    = "UpdateInProgress" // RegionUpdateState of a location while one of its updates runs
	runProgress = "InProgress"       // UpdateRunState

	// maxPlaces bounds how many subscriptions are looked through: an operator has three.
	maxPlaces = 16
	// maxLocations bounds the update locations of a region, which has one.
	maxLocations = 4
	// maxUpdates bounds the updates of a location whose runs are read, a request each.
	maxUpdates = 64
	// maxRuns bounds the runs of an update: each attempt is one.
	maxRuns = 1000

	// longestRun is how long an update can run. Those of Azure Stack Hub take hours, and some days
	// with many nodes; a run that began earlier has ended without the record of it being closed.
	longestRun = 7 * 24 * time.Hour
	// clocksApart is how far the stamp's clock may be ahead.
	clocksApart = time.Hour
)

// Updating names the update that a region is at, empty when there is none: by the state of its update
// location, and else by the newest runs of its updates, since the state of a location may lag behind
// them (swagger of Microsoft.Update.Admin, 2016-05-01). Now tells which runs can still go on.
//
// An error says that it is not known: the stamp does not tell, or what it tells cannot be so. A run
// that is said to be in progress counts only when it says when it began, and that is at most seven
// days ago.
func Updating(ctx context.Context, admin *azure.Client, region string, now time.Time) (string, error) {
	subscriptions, err := admin.Subscriptions(ctx)
	if err != nil {
		return "", err
	}
	var unknown error // the first
	for i, s := range subscriptions {
		if i == maxPlaces {
			break
		}
		l := look{admin: admin, now: now}
		place := "/subscriptions/" + s.ID + "/resourceGroups/System." + region + "/providers/" + provider + "/updateLocations"
		locations := l.locations(ctx, place)
		if l.found == "" {
			l.runs(ctx, place, locations)
		}
		switch {
		case l.found != "":
			return l.found, nil
		case len(locations) > 0:
			return "", l.unknown
		case unknown == nil:
			unknown = l.unknown
		}
	}
	if unknown == nil {
		unknown = fault.Newf(fault.SourceInvalid, "no subscription of the operator has an update location of region %s", region)
	}
	return "", unknown
}

// look is one look at the update locations of a resource group.
type look struct {
	admin   *azure.Client
	now     time.Time
	found   string // update that runs
	unknown error  // the first thing that could not be read, or cannot be so
}

// note keeps the first error. What cannot be read keeps what comes after it from nothing.
func (l *look) note(err error) {
	if l.unknown == nil {
		l.unknown = err
	}
}

// locations returns the names of the update locations, and finds one whose state says that it is
// being updated.
func (l *look) locations(ctx context.Context, place string) []string {
	var names []string
	l.each(ctx, place, maxLocations, func(location gjson.Result) error {
		name, err := nameOf(location, "an update location")
		if err != nil {
			return err
		}
		names = append(names, name)
		state, err := stateOf(location, "update location "+name)
		if strings.EqualFold(state, updating) && l.found == "" {
			l.found = fmt.Sprintf("location %s is %s", name, state)
		}
		return err
	})
	return names
}

// runs looks through the runs of all updates of locations, until one is found that goes on.
func (l *look) runs(ctx context.Context, place string, locations []string) {
	for _, location := range locations {
		var updates []string
		l.each(ctx, place+"/"+location+"/updates", maxUpdates, func(update gjson.Result) error {
			name, err := nameOf(update, "an update")
			if err == nil {
				updates = append(updates, name)
			}
			return err
		})
		for _, update := range updates {
			l.each(ctx, place+"/"+location+"/updates/"+update+"/updateRuns", maxRuns, func(run gjson.Result) error { return l.run(update, run) })
			if l.found != "" || ctx.Err() != nil {
				return
			}
		}
	}
}

// run looks at one run of an update.
func (l *look) run(update string, run gjson.Result) error {
	name, err := nameOf(run, "a run of update "+update)
	if err != nil {
		return err
	}
	what := "run " + name + " of update " + update
	state, err := stateOf(run, what)
	if err != nil || !strings.EqualFold(state, runProgress) {
		return err
	}
	began := jsondoc.Member(jsondoc.Member(run, "properties"), "timeStarted")
	at, err := time.Parse(time.RFC3339, began.Str)
	switch {
	case began.Type != gjson.String || err != nil:
		return fault.Newf(fault.SourceInvalid, "%s is %s, and does not say since when", what, state)
	case at.Before(l.now.Add(-longestRun)):
		return fault.Newf(fault.SourceInvalid, "%s is %s since %s, which is longer than an update takes", what, state, at.UTC().Format(time.RFC3339))
	case at.After(l.now.Add(clocksApart)):
		return fault.Newf(fault.SourceInvalid, "%s is %s since %s, which is still to come", what, state, at.UTC().Format(time.RFC3339))
	case l.found == "":
		l.found = fmt.Sprintf("%s is %s since %s", what, state, at.UTC().Format(time.RFC3339))
	}
	return nil
}

// maxName bounds a name that becomes part of an address. Azure's own limit is 260 characters.
const maxName = 260

// nameOf is the name of a resource, for the address of what lies below it: the last part where it
// names its parents, too.
func nameOf(resource gjson.Result, what string) (string, error) {
	name := jsondoc.Member(resource, "name")
	last := name.Str[strings.LastIndexByte(name.Str, '/')+1:]
	if name.Type != gjson.String || last == "" || last == "." || last == ".." || len(last) > maxName || strings.ContainsAny(last, "?#%\\") {
		return "", fault.Newf(fault.SourceInvalid, "%s has a name that cannot be one: %.60q", what, name.Raw)
	}
	return last, nil
}

// stateOf is the state of a resource. One without says nothing, which is not that nothing goes on.
func stateOf(resource gjson.Result, what string) (string, error) {
	state := jsondoc.Member(jsondoc.Member(resource, "properties"), "state")
	if state.Type != gjson.String || state.Str == "" {
		return "", fault.Newf(fault.SourceInvalid, "%s does not tell its state", what)
	}
	return state.Str, nil
}

// each calls see for the elements of a list, at most so many, and notes what is wrong with one of them,
// or with the list.
func (l *look) each(ctx context.Context, path string, most int, see func(gjson.Result) error) {
	pages := l.admin.List(path, apiVersion, nil)
	defer pages.Close()
	for seen := 0; ; {
		page, err := pages.Next(ctx)
		if err == io.EOF {
			return
		}
		if err != nil {
			l.note(err)
			return
		}
		for _, item := range page.Items {
			if seen++; seen > most {
				l.note(fault.Newf(fault.LimitExceeded, "the list %s has more than %d elements; the others were not read", path[strings.LastIndexByte(path, '/')+1:], most))
				return
			}
			if err := see(gjson.ParseBytes(item)); err != nil {
				l.note(err)
			}
		}
	}
}
