package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"infrabackup/internal/backup"
)

var (
	domainPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`) })
	regionPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 _-]{0,89}$`) })
)

// maxText bounds user names and the like.
const maxText = 256

// Validate checks the values' form. [Load] and [Decode] have called it.
func (w *Worker) Validate() error {
	for _, check := range []func() error{
		w.Instance.validate, w.Temporal.validate, w.validateProcess, w.Sources.validate, w.validateTargets,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (i Instance) validate() error {
	if err := backup.ValidateInstanceName(i.Name); err != nil {
		return wrong("instance.name", "%s", missing(i.Name, err.Error()))
	}
	if !domainPattern().MatchString(i.FQDN) {
		return wrong("instance.fqdn", "%s", missing(i.FQDN, "want a domain name"))
	}
	if !regionPattern().MatchString(i.Region) {
		return wrong("instance.region", "%s", missing(i.Region, "want letters, digits, blanks, '-' and '_'"))
	}
	if _, err := backup.ParseID(strings.ToLower(i.DeploymentID)); err != nil {
		return wrong("instance.deploymentId", "%s", missing(i.DeploymentID, "want a GUID"))
	}
	return nil
}

func (t Temporal) validate() error {
	if t.Address != "" && !isHostPort(t.Address) {
		return wrong("temporal.address", "want host:port")
	}
	if len(t.Namespace) > maxText {
		return wrong("temporal.namespace", "longer than %d bytes", maxText)
	}
	if (t.TLS.CertFile == "") != (t.TLS.KeyFile == "") {
		return wrong("temporal.tls", "certFile and keyFile go together")
	}
	if t.APIKeyFile != "" && t.TLS == (TLS{}) {
		return wrong("temporal.apiKeyFile", "an API key needs tls; set temporal.tls.enabled")
	}
	return nil
}

func (w *Worker) validateProcess() error {
	switch {
	case w.Codec.KeyFile == "":
		return wrong("codec.keyFile", "missing")
	case w.Spool.Dir == "":
		return wrong("spool.dir", "missing")
	case !backup.IsHost(w.Host):
		return wrong("host", "want a host name in lower case")
	case w.Limits.StopTimeout < time.Second || w.Limits.StopTimeout > MaxStopTimeout:
		return wrong("limits.stopTimeout", "want 1s to %s", MaxStopTimeout)
	}
	return w.Log.validate()
}

func (w *Worker) validateTargets() error {
	if len(w.Targets) > maxTargets {
		return wrong("targets", "more than %d", maxTargets)
	}
	if slices.Contains(w.Targets, "") {
		return wrong("targets", "the name of a file is empty")
	}
	return nil
}

func (l Log) validate() error {
	switch {
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Level):
		return wrong("log.level", "want debug, info, warn or error")
	case !slices.Contains([]string{"text", "json"}, l.Format):
		return wrong("log.format", "want text or json")
	}
	return nil
}

func (s Sources) validate() error {
	if s.AD == nil && s.CA == nil && s.Azure == nil {
		return wrong("sources", "no source is configured; give ad, ca, azure or several of them")
	}
	if s.Azure != nil {
		if err := s.Azure.validate(); err != nil {
			return err
		}
	}
	if s.AD != nil {
		if err := s.AD.validate(); err != nil {
			return err
		}
	}
	if s.CA != nil {
		if s.CA.Dir == "" {
			return wrong("sources.ca.dir", "missing")
		}
		if s.CaptureADCS() && s.AD == nil {
			return wrong("sources.ca.adcs", "needs sources.ad")
		}
	}
	return nil
}

func (a AD) validate() error {
	u, err := url.Parse(a.URL)
	switch {
	case a.URL == "":
		return wrong("sources.ad.url", "missing")
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return wrong("sources.ad.url", "want ldaps://host or ldaps://host:port")
	case u.Scheme != "ldaps":
		return wrong("sources.ad.url", "only ldaps:// is supported, because a simple bind over ldap:// would send the password in clear")
	case u.Port() != "" && !isPort(u.Port()):
		return wrong("sources.ad.url", "the port is not between 1 and 65535")
	case a.CAFile == "":
		return wrong("sources.ad.caFile", "missing; the controller's certificate is checked against it")
	case a.Username == "":
		return wrong("sources.ad.username", "missing")
	case len(a.Username) > maxText || strings.ContainsAny(a.Username, "\x00\r\n"):
		return wrong("sources.ad.username", "too long, or it has a control character")
	case a.PasswordFile == "":
		return wrong("sources.ad.passwordFile", "missing")
	}
	return nil
}

func wrong(key, format string, args ...any) error {
	return &mistake{key: key, text: fmt.Sprintf(format, args...)}
}

func missing(value, otherwise string) string {
	if value == "" {
		return "missing"
	}
	return otherwise
}

func isHostPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	return err == nil && host != "" && isPort(port)
}

func isPort(text string) bool {
	port, err := strconv.Atoi(text)
	return err == nil && port >= 1 && port <= 65535
}
