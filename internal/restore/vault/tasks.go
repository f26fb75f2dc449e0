package vault

import (
	"slices"

	"infrabackup/internal/azure/jsondoc"
)

// task is one request that is still to be sent.
type task struct {
	what    doing
	version int    // of the want, that is added, or whose state is sent
	at      string // ID of the version of the target that is changed
	fields  []string
}

// doing is what a request does.
type doing int

const (
	recover   doing = iota // bring a deleted object back
	unseal                 // restore a backup blob
	add                    // set a version, or import one
	adjust                 // change attributes and tags of a version
	retire                 // disable a version
	setPolicy              // change the policy of a certificate
	settle                 // put an issuer or contacts
)

// obstacle is why nothing can be sent, with the code of a refusal.
type obstacle struct{ code, detail string }

// tasks are what makes the target hold what is wanted: none when it does. It is pure, and the
// one rule by which plans, writes and their confirmation go.
func (o object) tasks(live found, exists, deleted bool, v values) ([]task, *obstacle) {
	switch {
	case live.Missing != "":
		return nil, &obstacle{"ACCESS_MISSING", "the restore's account lacks " + live.Missing + " in " + o.Vault + ", which an access policy of the vault has to allow"}
	case live.Large:
		return nil, &obstacle{"TOO_LARGE", "it has more versions, or larger ones, than are read"}
	case deleted && !exists:
		return []task{{what: recover}}, nil
	case live.Taken:
		return nil, &obstacle{"NAME_TAKEN", "a key or a secret that belongs to no certificate has the name; delete and purge it, or leave it"}
	}
	switch o.Collection {
	case "secrets":
		return o.secret(live, exists, v)
	case "keys":
		return o.key(live, exists, v)
	case "certificates":
		return o.certificate(live, exists, v)
	case "certificates/contacts":
		if o.holds(live.Contacts) {
			return nil, nil
		}
		return []task{{what: settle, fields: []string{"contacts"}}}, nil
	}
	if exists && jsondoc.Covers(live.Settings, o.Settings) {
		return nil, nil
	}
	return []task{{what: settle, fields: []string{"settings"}}}, nil
}

// holds reports whether those are there who are to be told; of an undo, and nobody else.
func (o object) holds(live []contact) bool {
	if o.Undo && len(live) != len(o.Contacts) {
		return false
	}
	return !slices.ContainsFunc(o.Contacts, func(c contact) bool { return !slices.Contains(live, c) })
}

// pairs finds for each version of the want one of the target, -1 for none: by ID, then by
// what like says, those first that are the same in all.
func (o object) pairs(live found, like func(version, foundVersion) bool) []int {
	pairs, taken := make([]int, len(o.Versions)), map[int]bool{}
	for i, v := range o.Versions {
		if pairs[i] = live.at(v.ID); pairs[i] >= 0 {
			taken[pairs[i]] = true
		}
	}
	for _, exact := range []bool{true, false} {
		for i, v := range o.Versions {
			if pairs[i] >= 0 {
				continue
			}
			pairs[i] = slices.IndexFunc(live.Versions, func(l foundVersion) bool { return like(v, l) && (!exact || v.same(l.version)) })
			for pairs[i] >= 0 && taken[pairs[i]] {
				next := slices.IndexFunc(live.Versions[pairs[i]+1:], func(l foundVersion) bool { return like(v, l) && (!exact || v.same(l.version)) })
				if next < 0 {
					pairs[i] = -1
					break
				}
				pairs[i] += 1 + next
			}
			if pairs[i] >= 0 {
				taken[pairs[i]] = true
			}
		}
	}
	return pairs
}

// adjusted are the requests that change attributes and tags of versions that are there.
func (o object) adjusted(live found, pairs []int) (tasks []task, stays bool) {
	for i, at := range pairs {
		if at < 0 || o.Versions[i].same(live.Versions[at].version) {
			continue
		}
		if o.Versions[i].timesStay(live.Versions[at].version) {
			stays = true
			continue
		}
		tasks = append(tasks, task{what: adjust, version: i, at: live.Versions[at].ID, fields: o.Versions[i].differs(live.Versions[at].version)})
	}
	return tasks, stays
}

var timeStays = &obstacle{"TIME_STAYS", "a version has an expiry, or a time before which it is not valid, that the backup does not have and that no request takes away; set a new version by hand"}

func (o object) secret(live found, exists bool, v values) ([]task, *obstacle) {
	switch {
	case o.Undo:
		return o.undone(live, v)
	case !exists && v.Blob != "" && !o.Foreign:
		return []task{{what: unseal}}, nil
	case !exists && len(o.Versions) == 0:
		return nil, &obstacle{"NO_VALUE", "no version of it could be read when the backup was taken, and its blob is of use for the stamp that was backed up only"}
	case !exists:
		return o.additions(slices.Repeat([]int{-1}, len(o.Versions)), -1), nil
	case len(o.Versions) == 0:
		return nil, nil // what it held is in the blob, which cannot be looked into
	}
	pairs := o.pairs(live, func(w version, l foundVersion) bool { return v.are(w, l) })
	newest := len(o.Versions) - 1
	adjusted, stays := o.adjusted(live, pairs)
	switch current := live.at(live.Current); {
	case o.startedWith(live, pairs, v):
		return append(adjusted, o.additions(pairs, -1)...), nil
	case current >= 0 && slices.Contains(pairs, current) && o.byID(live, pairs):
		// All of the vault's own history is there, and it knows best which is the last.
	case current < 0 && pairs[newest] >= 0, current >= 0 && (current == pairs[newest] || live.Versions[current].Value != nil && *live.Versions[current].Value == v.Values[o.Versions[newest].ID]):
		// Its value is the current one, or the vault gives none.
	default:
		return append(adjusted, o.additions(pairs, newest)...), nil
	}
	if stays {
		return nil, timeStays
	}
	return adjusted, nil
}

// are reports whether a version of the target has the value of one of the want. Of one whose
// value is given to no caller, as when it has expired, everything else decides.
func (v values) are(w version, l foundVersion) bool {
	if l.Value == nil {
		return w.same(l.version)
	}
	value, ok := v.Values[w.ID]
	return ok && *l.Value == value
}

// byID reports whether every version of the want is there with its own ID.
func (o object) byID(live found, pairs []int) bool {
	for i, at := range pairs {
		if at < 0 || live.Versions[at].ID != o.Versions[i].ID {
			return false
		}
	}
	return true
}

// startedWith reports whether a secret has the first versions of the want, made of their values, and
// nothing else.
func (o object) startedWith(live found, pairs []int, v values) bool {
	n := len(live.Versions)
	if n >= len(o.Versions) {
		return false
	}
	for i, at := range pairs {
		if (at >= 0) != (i < n) {
			return false
		}
	}
	current := live.at(live.Current)
	return current < 0 || live.Versions[current].Value != nil && *live.Versions[current].Value == v.Values[o.Versions[n-1].ID]
}

// additions sets the versions that have no pair, oldest first; last, when it is not -1, is
// set in any case, behind the others.
func (o object) additions(pairs []int, last int) (tasks []task) {
	for i, at := range pairs {
		if i != last && at < 0 {
			tasks = append(tasks, task{what: add, version: i, fields: []string{"versions"}})
		}
	}
	if last >= 0 {
		tasks = append(tasks, task{what: add, version: last, fields: []string{"value"}})
	}
	return tasks
}

func (o object) key(live found, exists bool, v values) ([]task, *obstacle) {
	switch {
	case !exists && o.Undo:
		return nil, nil
	case !exists && (v.Blob == "" || o.Foreign):
		return nil, &obstacle{"BLOB_REFUSED", "it is gone, and its private half is in no document of the backup; who made the key has to import it, or what it protects gets a new one"}
	case !exists:
		return []task{{what: unseal}}, nil
	}
	pairs := o.pairs(live, func(w version, l foundVersion) bool { return w.Public != "" && w.Public == l.Public })
	if slices.Contains(pairs, -1) {
		return nil, &obstacle{"NAME_TAKEN", "another key has the name, or versions of it are missing; a blob can be restored only where no key has the name, deleted ones among them"}
	}
	adjusted, stays := o.adjusted(live, pairs)
	if stays {
		return nil, timeStays
	}
	return adjusted, nil
}

func (o object) certificate(live found, exists bool, v values) ([]task, *obstacle) {
	pairs := o.pairs(live, func(w version, l foundVersion) bool { return w.Print != "" && w.Print == l.Print })
	newest := len(o.Versions) - 1
	adjusted, _ := o.adjusted(live, pairs)
	if !o.Undo && (!exists || pairs[newest] < 0) {
		for i, at := range pairs {
			if at < 0 && v.Values[o.Versions[i].ID] != "" {
				adjusted = append(adjusted, task{what: add, version: i, fields: []string{"certificate"}})
			}
		}
		if !exists && len(adjusted) == 0 {
			return nil, &obstacle{"CERTIFICATE_KEPT", "it is gone, and the vault gave its private key to no caller; issue it again, as its policy in the backup says"}
		}
	}
	if exists && o.Policy != nil && !jsondoc.Covers(live.Policy, o.Policy) {
		adjusted = append(adjusted, task{what: setPolicy, fields: []string{"policy"}})
	}
	return adjusted, nil
}

// undone takes back what was done to a secret that was there: versions get their earlier
// attributes, those that were added are disabled, and the value that was the current one
// becomes that again.
func (o object) undone(live found, v values) (tasks []task, _ *obstacle) {
	adjusted, _ := o.adjusted(live, o.pairs(live, func(version, foundVersion) bool { return false }))
	if value, ok := v.Values[o.Current]; ok {
		current := live.at(live.Current)
		if current < 0 || live.Versions[current].Value == nil || *live.Versions[current].Value != value {
			at := slices.IndexFunc(o.Versions, func(w version) bool { return w.ID == o.Current })
			tasks = append(tasks, task{what: add, version: at, fields: []string{"value"}})
		}
	}
	for _, id := range o.Retired {
		if at := live.at(id); at >= 0 && live.Versions[at].Enabled {
			tasks = append(tasks, task{what: retire, at: live.Versions[at].ID, fields: []string{"attributes.enabled"}})
		}
	}
	return append(tasks, adjusted...), nil
}
