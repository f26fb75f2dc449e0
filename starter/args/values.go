package args

import (
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/share"
)

// Services reads names of services, whatever their case; each counts once.
func Services(names []string) ([]backup.Service, error) {
	seen := map[backup.Service]bool{}
	var services []backup.Service
	for _, name := range names {
		service, err := backup.ParseService(name)
		if err != nil {
			return nil, fault.Usagef("%s is no service; use AD, CA, ARM, CRP, SRP, NRP, KeyVault or RBAC", printable.Quote(name))
		}
		if !seen[service] {
			seen[service] = true
			services = append(services, service)
		}
	}
	return services, nil
}

// UNC is [share.ParseUNC] for what an operator typed into a shell.
func UNC(text string) (share.UNC, error) {
	unc, err := share.ParseUNC(text)
	if err == nil || strings.HasPrefix(text, `\\`) || strings.HasPrefix(text, "//") {
		return unc, err
	}
	if strings.HasPrefix(text, `\`) || !strings.ContainsAny(text, `\/`) {
		f := *fault.As(err)
		f.What += `; it seems that the shell took backslashes out of it, so put it in single quotes: '\\server\share'`
		return unc, &f
	}
	return unc, err
}

// CheckInstance refuses what cannot be an instance's name.
func CheckInstance(name string) error {
	if backup.ValidateInstanceName(name) != nil {
		return fault.Usagef("--instance %s is not a name: use 1 to 63 of a-z, 0-9 and '-', not starting or ending with '-'", printable.Quote(name))
	}
	return nil
}

// CheckProofDays refuses a time that a key cannot be asked to be proven in.
func CheckProofDays(days int) error {
	if days < 1 {
		return fault.Usagef("--prove-every %d is less than a day", days)
	}
	return nil
}
