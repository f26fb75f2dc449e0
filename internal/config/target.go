package config

import (
	"errors"
	"strings"
)

// Target is what a restore writes to, with accounts of its own: those that capture cannot
// write. Paths are absolute after [LoadTarget].
type Target struct {
	// Name is what plans and messages call it.
	Name string `yaml:"name"`
	// FQDN and DeploymentID are those of the cloud; a plan made for another one is refused.
	FQDN         string `yaml:"fqdn"`
	DeploymentID string `yaml:"deploymentId"`
	// AD, CA and Azure are as for a worker's sources; at least one of them.
	AD    *AD    `yaml:"ad"`
	CA    *CA    `yaml:"ca"`
	Azure *Azure `yaml:"azure"`
}

// LoadTarget reads, decodes and validates the file as [Load] does.
func LoadTarget(path string) (*Target, error) {
	t := &Target{}
	if err := load(path, t, nil); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Target) sources() *Sources { return &Sources{AD: t.AD, CA: t.CA, Azure: t.Azure} }

// Validate checks the values' form. [LoadTarget] has called it.
func (t *Target) Validate() error {
	switch {
	case t.Name == "" || len(t.Name) > maxText || strings.ContainsAny(t.Name, "\x00\r\n"):
		return wrong("name", "%s", missing(t.Name, "too long, or it has a control character"))
	case !domainPattern.MatchString(t.FQDN):
		return wrong("fqdn", "%s", missing(t.FQDN, "want a domain name"))
	}
	if err := (Instance{Name: "x", FQDN: t.FQDN, Region: "x", DeploymentID: t.DeploymentID}).validate(); err != nil {
		return below(err, "instance.")
	}
	if t.AD == nil && t.CA == nil && t.Azure == nil {
		return wrong("", "no target is configured; give ad, ca, azure or several of them")
	}
	if t.CA != nil && t.CA.ADCS != nil {
		return wrong("ca.adcs", "a restore of the CA does not write to the directory")
	}
	sources := t.sources()
	if t.CA != nil {
		no := false
		sources.CA = &CA{Dir: t.CA.Dir, ADCS: &no}
	}
	return below(sources.validate(), "sources.")
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
	all := t.sources().paths()
	for i := range all {
		all[i].key = strings.TrimPrefix(all[i].key, "sources.")
	}
	return all
}
