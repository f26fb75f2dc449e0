package restoreplans

import (
	"errors"
	"fmt"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/recovery"
	"infrabackup/internal/restore"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/rp/operatorkey"
)

// Members of bodies.
const (
	memberBackup  = "backup"
	memberKey     = "key"
	memberConsent = "consent"
)

// Bounds of what is selected and agreed to by name.
const (
	maxNames    = 200
	maxNameSize = 4 << 10
)

// object takes a body apart, and clears its bytes.
func object(body []byte, required bool, names ...string) (jsonbody.Object, error) {
	if body == nil {
		if required {
			return nil, apierror.Content("", "is missing")
		}
		return jsonbody.Object{}, nil
	}
	o, err := jsonbody.Parse(body)
	clear(body)
	if err != nil {
		return nil, err
	}
	return o, o.Only("", names...)
}

// inner is a member that is an object, nil when it is absent or null.
func inner(o jsonbody.Object, name string) (jsonbody.Object, error) {
	f, ok := o[strings.ToLower(name)]
	if !ok || f.Value == nil {
		return nil, nil
	}
	below, ok := f.Value.(jsonbody.Object)
	if !ok {
		return nil, apierror.Content(f.Name, "is not an object")
	}
	return below, nil
}

// texts is a member that is a list of texts, none when it is absent or null.
func texts(o jsonbody.Object, name, path string) ([]string, error) {
	f, ok := o[strings.ToLower(name)]
	if !ok || f.Value == nil {
		return nil, nil
	}
	at := jsonbody.Join(path, f.Name)
	list, ok := f.Value.([]any)
	if !ok {
		return nil, apierror.Content(at, "is not a list")
	}
	if len(list) > maxNames {
		return nil, apierror.Content(at, fmt.Sprintf("has more than %d entries", maxNames))
	}
	var out []string
	for _, one := range list {
		text, ok := one.(string)
		if !ok || text == "" || len(text) > maxNameSize {
			return nil, apierror.Content(at, fmt.Sprintf("has an entry that is no text of 1 to %d bytes", maxNameSize))
		}
		out = append(out, text)
	}
	return out, nil
}

// backupOf is the backup that a body names; newest stands for the word latest.
func backupOf(o jsonbody.Object, newest func() (backup.ID, error)) (backup.ID, error) {
	text, err := jsonbody.String(o, memberBackup, "")
	switch {
	case err != nil || text == "":
		return "", err
	case strings.EqualFold(text, backup.Latest):
		return newest()
	}
	id, err := backup.ParseID(strings.ToLower(text))
	if err != nil {
		return "", apierror.Content(memberBackup, "is neither the ID of a backup nor '"+backup.Latest+"'")
	}
	return id, nil
}

// requestOf is what a body wants to be planned.
func requestOf(o jsonbody.Object, newest func() (backup.ID, error)) (r recovery.Request, err error) {
	if r.Backup, err = backupOf(o, newest); err != nil {
		return r, err
	}
	if r.Backup == "" {
		return r, apierror.Content(memberBackup, "is missing")
	}
	if r.Target, err = jsonbody.String(o, "target", ""); err != nil {
		return r, err
	}
	names, err := texts(o, "services", "")
	if err != nil {
		return r, err
	}
	for _, name := range names {
		service, err := backup.ParseService(name)
		if err != nil {
			return r, apierror.Content("services", "names a service that is not known")
		}
		r.Selection.Services = append(r.Selection.Services, service)
	}
	if r.Selection.Items, err = texts(o, "items", ""); err != nil {
		return r, err
	}
	if r.Selection.Patterns, err = texts(o, "patterns", ""); err != nil {
		return r, err
	}
	if r.Policies, err = policiesOf(o); err != nil {
		return r, err
	}
	if err := r.Validate(); err != nil {
		f := apierror.AtRequest(err)
		f.Target = "target"
		if r.Selection.Validate() != nil {
			f.Target = "patterns"
		}
		return r, f
	}
	return r, nil
}

// policiesOf reads the policy for all services, and those of single ones.
func policiesOf(o jsonbody.Object) (map[backup.Service]restore.Policy, error) {
	policies := map[backup.Service]restore.Policy{}
	usual, err := jsonbody.String(o, "policy", "")
	if err != nil {
		return nil, err
	}
	if usual != "" {
		policy, err := restore.ParsePolicy(usual)
		if err != nil {
			return nil, apierror.Content("policy", "is none: update, skip and fail are")
		}
		for _, service := range backup.Services() {
			policies[service] = policy
		}
	}
	single, err := inner(o, "policies")
	if err != nil {
		return nil, err
	}
	for name, f := range single {
		text, ok := f.Value.(string)
		at := jsonbody.Join("policies", f.Name)
		policy, err := restore.ParsePolicy(text)
		if !ok || err != nil {
			return nil, apierror.Content(at, "is no policy: update, skip and fail are")
		}
		service, err := backup.ParseService(name)
		if err != nil {
			return nil, apierror.Content(at, "is no service that is known")
		}
		policies[service] = policy
	}
	return policies, nil
}

// consentOf is what a body agrees to.
func consentOf(o jsonbody.Object) (c recovery.Consent, err error) {
	given, err := inner(o, memberConsent)
	switch {
	case err != nil:
		return c, err
	case given == nil:
		return c, apierror.Content(memberConsent, "is missing")
	}
	if err := given.Only(memberConsent, "target", "production", "irreversible"); err != nil {
		return c, err
	}
	if c.Target, err = jsonbody.String(given, "target", memberConsent); err != nil {
		return c, err
	}
	if c.Production, err = jsonbody.String(given, "production", memberConsent); err != nil {
		return c, err
	}
	c.Irreversible, err = texts(given, "irreversible", memberConsent)
	return c, err
}

// refused ties what is wrong with a key, or was not agreed to, to the member that it is about.
func refused(err error) error {
	targets := map[fault.Code]string{fault.PlanConsent: memberConsent, fault.TargetProduction: memberConsent + ".production"}
	target := targets[fault.CodeOf(err)]
	var shaped *apierror.Error
	if target == "" || errors.As(err, &shaped) {
		return operatorkey.Refused(err, memberKey)
	}
	f := apierror.AtRequest(err)
	f.Target = target
	return f
}
