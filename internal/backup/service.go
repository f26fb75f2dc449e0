package backup

import (
	"fmt"
	"slices"
	"strings"
)

// Service is one part of the control plane that is captured on its own. Azure
// Stack's portal calls it a role.
type Service string

// The services of an Azure Stack style instance.
const (
	AD       Service = "AD"       // Active Directory: directory, DNS, group policy
	CA       Service = "CA"       // certification authority
	ARM      Service = "ARM"      // Azure Resource Manager, tenant and operator side
	CRP      Service = "CRP"      // compute resource provider
	SRP      Service = "SRP"      // storage resource provider
	NRP      Service = "NRP"      // network resource provider
	KeyVault Service = "KeyVault" // vaults, keys, secrets, certificates
	RBAC     Service = "RBAC"     // role definitions and assignments
)

var services = []Service{AD, CA, ARM, CRP, SRP, NRP, KeyVault, RBAC}

// Services returns every known service in the order in which they are captured,
// shown and, one day, restored.
func Services() []Service { return slices.Clone(services) }

// ParseService returns the service with the given name, whatever its case.
func ParseService(name string) (Service, error) {
	for _, s := range services {
		if strings.EqualFold(name, string(s)) {
			return s, nil
		}
	}
	return "", fmt.Errorf("unknown service %q: use one of %s", name, joinServices())
}

// Order returns the position of s in [Services], or the number of services when
// s is not known, so that unknown ones sort last.
func (s Service) Order() int {
	if i := slices.Index(services, s); i >= 0 {
		return i
	}
	return len(services)
}

func joinServices() string {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
