package diff

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/access"
	"infrabackup/internal/diff/result"
)

// report puts together what was found.
func (c *comparison) report(ctx context.Context) (*result.Report, error) {
	r := &result.Report{Format: result.Format, A: c.a.source.Side(), B: c.b.source.Side(), Services: []result.Service{}, Same: true}
	for _, service := range backup.Services() {
		w := c.works[service]
		if w == nil || !w.reported {
			continue
		}
		sortChanges(w.Changes)
		w.Ignored = w.ignored.List()
		r.Services = append(r.Services, w.Service)
		if !w.Compared {
			c.warnings = append(c.warnings, fmt.Sprintf("%s was not compared: %s", service, w.Reason))
		}
		r.Same = r.Same && w.Compared && w.Added+w.Removed+w.Changed+w.Moved == 0
	}
	var err error
	if r.Access, err = c.access(ctx); err != nil {
		return nil, err
	}
	r.Same = r.Same && r.Access.Gained+r.Access.Lost == 0 && len(r.Access.Roles) == 0
	r.Warnings = append(c.sideWarnings(r.A, r.B), c.warnings...)
	return r, nil
}

// sideWarnings say what is odd about the two sides themselves.
func (c *comparison) sideWarnings(a, b result.Side) []string {
	warnings := []string{}
	if a.Instance.Name != b.Instance.Name {
		warnings = append(warnings, fmt.Sprintf("A is of instance %s, and B of %s", a.Instance.Name, b.Instance.Name))
	}
	if a.StartedAt.After(b.StartedAt) {
		warnings = append(warnings, "A was made after B: what is called added was removed in between, and the other way round")
	}
	return warnings
}

// access finds out who gained or lost access.
func (c *comparison) access(ctx context.Context) (result.Access, error) {
	none := result.Access{Rows: []result.AccessRow{}, Roles: []result.RoleChange{}}
	var lacking []string
	selected := false
	for _, service := range accessServices {
		w := c.works[service]
		selected = selected || w != nil && w.reported
		if w == nil || !w.Compared {
			lacking = append(lacking, string(service))
		}
	}
	switch {
	case !selected:
		none.Reason = "none of AD, RBAC and KeyVault is compared"
		return none, nil
	case slices.Contains(lacking, string(backup.RBAC)) && slices.Contains(lacking, string(backup.KeyVault)):
		none.Reason = "neither RBAC nor KeyVault was compared"
		return none, nil
	}
	if len(lacking) > 0 {
		c.warnings = append(c.warnings, "who gained or lost access was found out without "+strings.Join(lacking, " and "))
	}
	if !c.accessChanged {
		none.Computed = true
		return none, nil
	}
	if err := c.fillPictures(ctx); err != nil {
		return none, err
	}
	if len(c.moved) > 0 {
		c.before.TranslateScopes(func(scope string) string {
			to, _ := c.translate(scope)
			return to
		})
	}
	return access.Compare(c.before, c.after), nil
}

// fillPictures enters the items that are equal on both sides, read from B.
func (c *comparison) fillPictures(ctx context.Context) error {
	for _, service := range accessServices {
		w := c.works[service]
		if w == nil || !w.Compared {
			continue
		}
		var pairs []pair
		for i := range c.held {
			if c.held[i].service == service && c.held[i].length <= maxCompared {
				pairs = append(pairs, pair{b: &c.held[i].item})
			}
		}
		r := c.reader(w)
		err := r.each(ctx, pairs, func(p pair, _, b []byte) error { return c.share(service, p.b, b) })
		if failed := r.close(); err == nil {
			err = failed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// share enters an item that is equal into both pictures.
func (c *comparison) share(service backup.Service, i *item, data []byte) error {
	if service != backup.AD {
		c.enter(c.before, service, i, data)
		c.enter(c.after, service, i, data)
		return nil
	}
	r, err := object(i, data)
	if err != nil {
		return err
	}
	if o, ok := access.ObjectOf(r); ok {
		c.before.AddObject(o)
		c.after.AddObject(o)
	}
	return nil
}
