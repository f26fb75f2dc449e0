package rp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"infrabackup/internal/apierror"
	"infrabackup/internal/fault"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/schedule"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// storePath is where the members of a store are in a body.
const storePath = "properties.externalStoreDefault"

// use says what is done with a member of a store that a client sends.
type use int

const (
	absent   use = iota // of another version: a value is refused, and never dropped
	readOnly            // clients send back what they read: ignored
	taken               // part of the change
	blob                // Azure's blob storage: a value is refused
)

// Names of the members that a change is made of.
const (
	memberPath      = "path"
	memberUser      = "userName"
	memberPassword  = "password"
	memberKey       = "encryptionKeyBase64"
	memberCert      = "encryptionCertBase64"
	memberFrequency = "backupFrequencyInHours"
	memberRetention = "backupRetentionPeriodInDays"
	memberEnabled   = "isBackupSchedulerEnabled"
)

// storeMembers says which version has which member: 2016-05-01, 2018-09-01, 2021-09-01.
var storeMembers = map[string][3]use{
	memberPath:                 {taken, taken, taken},
	memberUser:                 {taken, taken, taken},
	memberPassword:             {taken, taken, taken},
	memberKey:                  {taken, absent, absent},
	memberCert:                 {absent, taken, taken},
	memberFrequency:            {taken, taken, taken},
	memberRetention:            {taken, taken, taken},
	memberEnabled:              {taken, taken, taken},
	"encryptionCertThumbprint": {readOnly, readOnly, readOnly},
	"availableCapacity":        {readOnly, readOnly, readOnly},
	"nextBackupTime":           {readOnly, readOnly, readOnly},
	"lastBackupTime":           {readOnly, readOnly, readOnly},
	"blobStorageUrl":           {absent, absent, blob},
	"blobStorageKey":           {absent, absent, blob},
}

// patch is what a client wants of a store. What is nil was not given.
type patch struct {
	path, user *string
	password   secret.String
	recipient  *seal.Recipient
	schedule   schedule.Patch
}

// parseLocation reads the body of a PUT or PATCH. Names and read-only members of it decide
// nothing. A member that is null or empty is not given.
func (x *exchange) parseLocation(data []byte) (patch, error) {
	if data == nil {
		return patch{}, apierror.Content("", "is missing")
	}
	root, err := jsonbody.Parse(data)
	if err != nil {
		return patch{}, err
	}
	if err := root.Only("", "id", "name", "type", "location", "tags", "etag", "properties"); err != nil {
		return patch{}, err
	}
	if err := checkTags(root["tags"].Value); err != nil {
		return patch{}, err
	}
	properties, err := inner(root, "properties", "")
	if err != nil {
		return patch{}, err
	}
	if err := properties.Only("properties", "externalStoreDefault", "provisioningState"); err != nil {
		return patch{}, err
	}
	store, err := inner(properties, "externalStoreDefault", "properties")
	if err != nil {
		return patch{}, err
	}
	return x.parseStore(store)
}

func inner(o jsonbody.Object, name, path string) (jsonbody.Object, error) {
	f, ok := o[strings.ToLower(name)]
	if !ok || f.Value == nil {
		return jsonbody.Object{}, nil
	}
	below, ok := f.Value.(jsonbody.Object)
	if !ok {
		return nil, apierror.Content(jsonbody.Join(path, f.Name), "is not an object")
	}
	return below, nil
}

func checkTags(value any) error {
	tags, ok := value.(jsonbody.Object)
	if value != nil && !ok {
		return apierror.Content("tags", "is not an object")
	}
	for _, f := range tags {
		if _, ok := f.Value.(string); !ok {
			return apierror.Content("tags."+f.Name, "is not a string")
		}
	}
	return nil
}

// column is the version's in tables of members.
func (v *version) column() int { return slices.Index(supported, v) }

// memberOf finds a member of a store by its name in lower case.
func memberOf(lower string) (string, [3]use, bool) {
	for name, uses := range storeMembers {
		if strings.ToLower(name) == lower {
			return name, uses, true
		}
	}
	return "", [3]use{}, false
}

func (x *exchange) parseStore(store jsonbody.Object) (patch, error) {
	given := map[string]any{}
	for _, key := range sortedKeys(store) {
		f := store[key]
		name, uses, known := memberOf(key)
		if !known {
			return patch{}, apierror.Content(jsonbody.Join(storePath, f.Name), "is not known here")
		}
		if jsonbody.Empty(f.Value) {
			continue
		}
		switch uses[x.version.column()] {
		case taken:
			given[name] = f.Value
		case absent:
			var has versions
			for i, u := range uses {
				if u == taken || u == blob {
					has |= supported[i].bit
				}
			}
			return patch{}, apierror.BadValue("UnsupportedMember", jsonbody.Join(storePath, name), fmt.Sprintf("The member '%s' does not exist at api-version %s; nothing was changed.", name, x.version.name),
				"Leave it out, or send it at api-version "+versionNames(has)+".")
		case blob:
			return patch{}, apierror.BadValue("BlobStorageNotSupported", jsonbody.Join(storePath, name), "Backups are written to a file share only, so the member '"+name+"' cannot be used; nothing was changed.",
				"Leave it out and give the path of a share, such as \\\\fs.example.com\\AzSBackups.")
		}
	}
	return x.take(given)
}

// take checks the values that were given, each by itself.
func (x *exchange) take(given map[string]any) (patch, error) {
	var p patch
	texts := map[string]string{}
	for _, name := range []string{memberPath, memberUser, memberPassword, memberKey, memberCert} {
		value, ok := given[name]
		if !ok {
			continue
		}
		s, ok := value.(string)
		if !ok {
			return p, apierror.Content(jsonbody.Join(storePath, name), "is not a string")
		}
		texts[name] = s
	}
	if s, ok := texts[memberPath]; ok {
		if _, err := share.ParseUNC(s); err != nil {
			return p, memberFault(memberPath, err)
		}
		p.path = &s
	}
	if s, ok := texts[memberUser]; ok {
		if len(s) > settings.MaxUsername || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return p, apierror.BadValue("SettingsInvalid", jsonbody.Join(storePath, memberUser), fmt.Sprintf("The user name has a control character, or more than %d bytes; nothing was changed.", settings.MaxUsername),
				"Give it as DOMAIN\\user or user@realm.")
		}
		p.user = &s
	}
	if s, ok := texts[memberPassword]; ok {
		if len(s) > settings.MaxPassword || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return p, apierror.BadValue("SettingsInvalid", jsonbody.Join(storePath, memberPassword), fmt.Sprintf("The password has a NUL, or more than %d bytes; nothing was changed.", settings.MaxPassword), "Give the password of the account on the share.")
		}
		p.password = secret.New(s)
	}
	if err := x.takeKey(&p, texts); err != nil {
		return p, err
	}
	return p, takeSchedule(&p, given)
}

func (x *exchange) takeKey(p *patch, texts map[string]string) error {
	if s, ok := texts[memberKey]; ok {
		r, err := seal.RecipientFromSymmetricKey(secret.New(s))
		if err != nil {
			return memberFault(memberKey, err)
		}
		p.recipient = &r
	}
	if s, ok := texts[memberCert]; ok {
		der, err := jsonbody.Base64(s)
		if err != nil {
			return apierror.BadValue("KeyInvalid", jsonbody.Join(storePath, memberCert), "The certificate is not base64; nothing was changed.", apierror.Remedy(fault.New(fault.KeyInvalid, "", nil)))
		}
		r, err := seal.RecipientFromCertificate(der, x.h.options.Now())
		if err != nil {
			return memberFault(memberCert, err)
		}
		p.recipient = &r
	}
	return nil
}

func takeSchedule(p *patch, given map[string]any) error {
	var err error
	if p.schedule.FrequencyHours, err = integer(given, memberFrequency, schedule.MinFrequencyHours, schedule.MaxFrequencyHours, "hours"); err != nil {
		return err
	}
	if p.schedule.RetentionDays, err = integer(given, memberRetention, schedule.MinRetentionDays, schedule.MaxRetentionDays, "days"); err != nil {
		return err
	}
	if value, ok := given[memberEnabled]; ok {
		on, ok := value.(bool)
		if !ok {
			return apierror.Content(jsonbody.Join(storePath, memberEnabled), "is neither true nor false")
		}
		p.schedule.Enabled = &on
	}
	return nil
}

func integer(given map[string]any, name string, lowest, highest int, unit string) (*int, error) {
	value, ok := given[name]
	if !ok {
		return nil, nil
	}
	number, ok := value.(json.Number)
	n, err := strconv.Atoi(number.String())
	if !ok || err != nil {
		return nil, apierror.Content(jsonbody.Join(storePath, name), "is not an integer")
	}
	if n < lowest || n > highest {
		return nil, apierror.BadValue("SettingsInvalid", jsonbody.Join(storePath, name), fmt.Sprintf("%d %s are not possible; nothing was changed.", n, unit), fmt.Sprintf("Give %d to %d %s.", lowest, highest, unit))
	}
	return &n, nil
}

// memberFault is a fault about the value of a member.
func memberFault(name string, err error) *apierror.Error {
	f := apierror.AtRequest(err)
	f.Target = jsonbody.Join(storePath, name)
	return f
}
