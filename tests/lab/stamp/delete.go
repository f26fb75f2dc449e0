package stamp

import (
	"net/http"

	"infrabackup/tests/lab/stamp/provider"
)

// delete answers DELETE of one resource.
func (c *change) delete() *answer {
	s, w := c.s, c.write
	if w.Old == nil {
		return &answer{status: http.StatusNoContent}
	}
	if c.place.typ == "microsoft.resources/resourcegroups" {
		return c.deleteGroup()
	}
	if refusal := provider.Remove(w); refusal != nil {
		return refused(refusal)
	}
	gone := func() { s.gone(w) }
	if c.operation == nil || !c.operation.LongRunning {
		gone()
		a := &answer{status: http.StatusOK}
		if c.operation != nil && len(c.operation.Bodies) > 0 {
			a.body = encode(w.Old.Body)
		}
		return a
	}
	return c.finally(gone)
}

// finally answers 202 and does the work: at once, or when its time has come.
func (c *change) finally(gone func()) *answer {
	c.s.work.mu.Lock()
	at := c.s.work.delay
	c.s.work.mu.Unlock()
	failure := c.s.doomed(c.request)
	o := c.s.begin(c.request, failure, gone)
	if at <= 0 {
		if failure == nil {
			gone()
		} else {
			provider.Failed(c.write.Store, c.write.ID)
		}
		c.s.work.mu.Lock()
		o.done = true
		c.s.work.mu.Unlock()
	} else {
		provider.SetState(c.write.Store, c.write.ID, "Deleting")
	}
	return c.s.announced(c.request, &answer{status: http.StatusAccepted}, o)
}

// gone takes a resource away with everything below it, and tells those that it showed in.
func (s *Stamp) gone(w *provider.Write) {
	if w.Kind == "microsoft.keyvault/vaults" {
		s.vaults.retire(w)
	}
	w.Store.Remove(w.ID)
	w.Body = nil
	provider.After(w)
}

// deleteGroup deletes what is in a group in an order in which it can go. What something
// outside of it uses stays, and with it the group.
func (c *change) deleteGroup() *answer {
	s := c.s
	cascade := func() *provider.Refusal {
		var stopped *provider.Refusal
		for progress := true; progress; {
			progress, stopped = false, nil
			for _, e := range c.shelf.below("", c.place.path+"/providers/") {
				if e.place.level != 1 || e.row == nil || e.row.has(extension) || e.place.scope != c.place.path {
					continue
				}
				w := &provider.Write{Store: c.write.Store, Stamp: c.write.Stamp, ID: e.doc.ID, Type: e.row.name, Kind: e.place.typ, Scope: e.place.scope,
					Subscription: e.place.sub, Group: e.place.group, Old: e.resource()}
				if refusal := provider.Remove(w); refusal != nil {
					stopped = refusal
					continue
				}
				s.gone(w)
				progress = true
			}
		}
		if stopped == nil {
			c.write.Remove(c.write.ID)
		}
		return stopped
	}
	var o *operation
	failed := func() {
		if refusal := cascade(); refusal != nil {
			s.work.mu.Lock()
			o.failure = &provider.Refusal{Status: http.StatusConflict, Code: "ResourceGroupDeletionBlocked", Message: "Deletion of resource group '" + c.write.Name() + "' failed: " + refusal.Message}
			s.work.mu.Unlock()
			provider.SetState(c.write.Store, c.write.ID, "Succeeded")
		}
	}
	s.work.mu.Lock()
	delay := s.work.delay
	s.work.mu.Unlock()
	o = s.begin(c.request, nil, failed)
	if delay <= 0 {
		failed()
		s.work.mu.Lock()
		o.done = true
		s.work.mu.Unlock()
	} else {
		provider.SetState(c.write.Store, c.write.ID, "Deleting")
	}
	return s.announced(c.request, &answer{status: http.StatusAccepted}, o)
}
