package vault

import (
	"encoding/json"
	"slices"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// foundOf reads the document of a state.
func foundOf(s restore.State) (f found, ok bool) {
	if len(s.Document) == 0 {
		return f, !s.Exists
	}
	return f, json.Unmarshal(s.Document, &f) == nil
}

// Verdict implements [restore.Restorer].
func (r *Restorer) Verdict(want restore.Want, live restore.State, m *mapping.Map) restore.Verdict {
	if !wanted(want.Kind) {
		return r.options.Rest.Verdict(want, live, m)
	}
	refused := func(code, detail string) restore.Verdict {
		return restore.Verdict{Refused: &restore.Refusal{Key: want.Key, Code: code, Detail: detail}}
	}
	o, v, err := decode(want.Body, want.Payload)
	is, ok := foundOf(live)
	if err != nil || !ok {
		return refused("UNREADABLE", "what is wanted, or what is there, cannot be read")
	}
	if want.Absent {
		return restore.Verdict{Same: !live.Exists, Action: restore.Remove, Reversible: restore.Reversibility{Grade: restore.Reversible}}
	}
	tasks, obstacle := o.tasks(is, live.Exists, live.Deleted, v)
	if obstacle != nil {
		return refused(obstacle.code, obstacle.detail)
	}
	verdict := restore.Verdict{Same: len(tasks) == 0, Action: restore.Update, Reversible: reversible(o, live, tasks)}
	switch {
	case live.Deleted:
		verdict.Action = restore.Undelete
	case !live.Exists:
		verdict.Action = restore.Create
	}
	if verdict.Action == restore.Update {
		for _, t := range tasks {
			verdict.Fields = append(verdict.Fields, t.fields...)
		}
		slices.Sort(verdict.Fields)
		verdict.Fields = slices.Compact(verdict.Fields)
	}
	return verdict
}

// reversible says what undo brings back of a write.
func reversible(o object, before restore.State, tasks []task) restore.Reversibility {
	partly := func(why string) restore.Reversibility {
		return restore.Reversibility{Grade: restore.PartlyReversible, Why: why}
	}
	adds := slices.ContainsFunc(tasks, func(t task) bool { return t.what == add })
	switch {
	case o.Collection == "certificates/issuers" && before.Exists:
		return partly("members that are added to an issuer stay")
	case o.Collection == "certificates/issuers", o.Collection == "certificates/contacts":
		return restore.Reversibility{Grade: restore.Reversible}
	case before.Deleted:
		return partly("it is deleted again, and what was changed in it stays as the backup has it")
	case !before.Exists:
		return partly("where its vault keeps what is deleted, it stays among the deleted objects and keeps its name until it is purged")
	case o.Collection == "certificates" && adds:
		return restore.Reversibility{Grade: restore.Irreversible, Why: "no version can be removed: what is imported into a certificate stays its current version"}
	case adds:
		return partly("no version can be removed: undo disables those that were added, and sets the earlier value as a further one")
	}
	return restore.Reversibility{Grade: restore.Reversible}
}

// Begun implements [restore.Resumer].
func (r *Restorer) Begun(want restore.Want, before, live restore.State) bool {
	if !wanted(want.Kind) {
		resumer, ok := r.options.Rest.(restore.Resumer)
		return ok && resumer.Begun(want, before, live)
	}
	o, v, err := decode(want.Body, want.Payload)
	was, readable := foundOf(before)
	is, ok := foundOf(live)
	if err != nil || !ok || !readable || want.Absent || !live.Exists || is.Missing != "" || is.Taken || is.Large || o.Name == "" || o.Collection == "certificates/issuers" {
		return false
	}
	if before.Deleted {
		return true // it was recovered, and what it holds was not known before
	}
	for _, v := range was.Versions { // none is gone, and each is as it was or as it is wanted
		at := is.at(v.ID)
		if at < 0 || !v.same(is.Versions[at].version) && !o.means(is.Versions[at].version) {
			return false
		}
	}
	for _, l := range is.Versions { // all others are what is wanted
		if was.at(l.ID) < 0 && !o.made(l, v) {
			return false
		}
	}
	return o.Policy == nil || !before.Exists || jsondoc.Covers(is.Policy, was.Policy) || jsondoc.Covers(is.Policy, o.Policy)
}

// means reports whether a version that was there is as it is wanted.
func (o object) means(l version) bool {
	if slices.Contains(o.Retired, l.ID) && !l.Enabled {
		return true
	}
	return slices.ContainsFunc(o.Versions, func(w version) bool { return w.same(l) })
}

// made reports whether a version is one that a write of the want makes.
func (o object) made(l foundVersion, v values) bool {
	return slices.ContainsFunc(o.Versions, func(w version) bool {
		switch o.Collection {
		case "secrets":
			return w.same(l.version) && v.are(w, l)
		case "certificates":
			return w.Print != "" && w.Print == l.Print
		}
		return w.ID == l.ID
	})
}

// Inverse implements [restore.Restorer].
func (r *Restorer) Inverse(want restore.Want, before, after restore.State) (restore.Want, restore.Reversibility) {
	if !wanted(want.Kind) {
		return r.options.Rest.Inverse(want, before, after)
	}
	unreadable := restore.Reversibility{Grade: restore.Irreversible, Why: "its state before cannot be read"}
	o, _, err := decode(want.Body, want.Payload)
	was, readable := foundOf(before)
	is, ok := foundOf(after)
	if err != nil || !readable || !ok {
		return restore.Want{}, unreadable
	}
	inverse := restore.Want{Key: want.Key, Name: want.Name, Stage: want.Stage}
	back := object{Vault: o.Vault, Admin: o.Admin, Collection: o.Collection, Name: o.Name, API: o.API, Undo: true}
	var tasks []task
	v := values{Values: map[string]string{}}
	if before.Exists {
		for _, l := range is.Versions {
			if at := was.at(l.ID); at < 0 {
				back.Retired = append(back.Retired, l.ID)
				tasks = []task{{what: add}}
			} else if !was.Versions[at].same(l.version) {
				back.Versions = append(back.Versions, was.Versions[at].version)
				inverse.Fields = append(inverse.Fields, "attributes")
			}
		}
		back.Settings, back.Contacts = was.Settings, was.Contacts
		if !jsondoc.Covers(is.Policy, was.Policy) {
			back.Policy = was.Policy
		}
	} else {
		inverse.Absent = true
	}
	how := reversible(o, before, tasks)
	if how.Grade == restore.Irreversible {
		return restore.Want{}, how
	}
	if at := was.at(was.Current); at >= 0 && was.Versions[at].Value != nil && len(back.Retired) > 0 {
		current := was.Versions[at]
		back.Current, v.Values[current.ID] = current.ID, *current.Value
		inverse.Fields = append(inverse.Fields, "value")
		if !slices.ContainsFunc(back.Versions, func(w version) bool { return w.ID == current.ID }) {
			back.Versions = append(back.Versions, current.version)
		}
	}
	if inverse.Body, err = encode("an undo", back); err == nil && len(v.Values) > 0 {
		inverse.Payload, err = encode("the value of an undo", v)
	}
	if err != nil {
		return restore.Want{}, unreadable
	}
	slices.Sort(inverse.Fields)
	inverse.Fields = slices.Compact(inverse.Fields)
	return inverse, how
}
