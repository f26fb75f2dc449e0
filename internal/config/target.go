package config

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"infrabackup/internal/backup"
)

// Target is what a restore writes to, with accounts of its own: those that capture cannot
// write. Paths are absolute after [LoadTarget].
type Target struct {
	// Name is what plans and messages call it.
	Name string `yaml:"name"`
	// FQDN and DeploymentID are those of the cloud; a plan made for another one is refused.
	FQDN         string `yaml:"fqdn"`
	DeploymentID string `yaml:"deploymentId"`
	// AD, CA and Azure are as for a worker's sources; at least one of them. Files of group policies
	// are written only where ad.sysvol says true.
	AD    *AD    `yaml:"ad"`
	CA    *CA    `yaml:"ca"`
	Azure *Azure `yaml:"azure"`
	// OwnAccounts are application or object IDs of accounts that a restore leaves alone with
	// their roles and access policies, and objectGUIDs of such in the directory, besides the one that it uses itself: those of this
	// service, which capture.
	OwnAccounts []string `yaml:"ownAccounts"`
	// EmptyDisks has disks that are gone made without contents, for drills. A backup has no
	// contents of disks.
	EmptyDisks bool `yaml:"emptyDisks"`
	// Drill repeats DeploymentID where the target is there for drills: a drill writes to no
	// other one.
	Drill string `yaml:"drill"`
}

// maxOwnAccounts bounds Target.OwnAccounts.
const maxOwnAccounts = 100

// maxTargets bounds Worker.Targets.
const maxTargets = 20

// targetName is what targets of workers are called: their queues are called by it.
var targetName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// LoadTargets reads the targets that the worker may restore into, and returns their files by
// what they are called. CONFIG_INVALID when one cannot be read, has a name that no queue can have,
// or that of another one.
func (w *Worker) LoadTargets() (map[string]string, error) {
	files := map[string]string{}
	for _, path := range w.Targets {
		t, err := LoadTarget(path)
		if err != nil {
			return nil, err
		}
		if !targetName.MatchString(t.Name) {
			return nil, refused(path, wrong("name", "want at most 40 small letters, digits and '-' where a worker restores into it"))
		}
		if other, taken := files[t.Name]; taken {
			return nil, refused(path, wrong("name", "%s is called so, too", other))
		}
		files[t.Name] = path
	}
	return files, nil
}

// LoadTarget reads, decodes and validates the file as [Load] does.
func LoadTarget(path string) (*Target, error) {
	t := &Target{}
	if err := load(path, t, nil); err != nil {
		return nil, err
	}
	return t, nil
}

// Sources are what to read to know what the target holds. A CA's folder is read without what
// the directory has of it when there is no directory.
func (t *Target) Sources() Sources {
	s := Sources{AD: t.AD, CA: t.CA, Azure: t.Azure}
	if s.CA != nil && s.AD == nil {
		no := false
		s.CA = &CA{Dir: t.CA.Dir, ADCS: &no}
	}
	return s
}

// Validate checks the values' form. [LoadTarget] has called it.
func (t *Target) Validate() error {
	switch {
	case t.Name == "" || len(t.Name) > maxText || strings.ContainsAny(t.Name, "\x00\r\n"):
		return wrong("name", "%s", missing(t.Name, "too long, or it has a control character"))
	case !domainPattern().MatchString(t.FQDN):
		return wrong("fqdn", "%s", missing(t.FQDN, "want a domain name"))
	}
	if err := (Instance{Name: "x", FQDN: t.FQDN, Region: "x", DeploymentID: t.DeploymentID}).validate(); err != nil {
		return below(err, "instance.")
	}
	if t.Drill != "" && !strings.EqualFold(t.Drill, t.DeploymentID) {
		return wrong("drill", "it does not repeat deploymentId: take it out, or give the ID of the target that is there for drills")
	}
	if t.AD == nil && t.CA == nil && t.Azure == nil {
		return wrong("", "no target is configured; give ad, ca, azure or several of them")
	}
	if t.CA != nil && t.CA.ADCS != nil {
		return wrong("ca.adcs", "a restore of the CA does not write to the directory")
	}
	if t.Azure == nil && t.EmptyDisks {
		return wrong("", "emptyDisks says how azure is written to, and there is no azure")
	}
	if t.Azure == nil && t.AD == nil && t.OwnAccounts != nil {
		return wrong("", "ownAccounts says how ad and azure are written to, and there is neither")
	}
	if len(t.OwnAccounts) > maxOwnAccounts {
		return wrong("ownAccounts", "more than %d", maxOwnAccounts)
	}
	for _, id := range t.OwnAccounts {
		if _, err := backup.ParseID(strings.ToLower(id)); err != nil {
			return wrong("ownAccounts", "%q is no ID of an application or account", id)
		}
	}
	sources := t.Sources()
	if err := below(sources.validate(), "sources."); err != nil {
		return err
	}
	return t.names()
}

// names reports an address that is none of the cloud whose name the file has. What guards the
// cloud in production goes by names and IDs, and a file that was copied and changed in part
// must not pass it by.
func (t *Target) names() error {
	if t.Azure == nil {
		return nil
	}
	for _, u := range []struct{ key, value string }{{"azure.managementUrl", t.Azure.ManagementURL}, {"azure.adminManagementUrl", t.Azure.AdminManagementURL}} {
		parsed, err := url.Parse(u.value)
		if err != nil || !strings.HasSuffix(strings.ToLower(parsed.Hostname()), "."+strings.ToLower(t.FQDN)) {
			return wrong(u.key, "its host is not below %s, which fqdn says", t.FQDN)
		}
	}
	return nil
}

// below takes what stands before the keys of a target's file off the key of a mistake.
func below(err error, prefix string) error {
	var m *mistake
	if errors.As(err, &m) {
		m.key = strings.TrimPrefix(m.key, prefix)
	}
	return err
}

func (t *Target) fillDefaults(func() (string, error)) error { return nil }

func (t *Target) paths() []named {
	sources := Sources{AD: t.AD, CA: t.CA, Azure: t.Azure}
	all := sources.paths()
	for i := range all {
		all[i].key = strings.TrimPrefix(all[i].key, "sources.")
	}
	return all
}
