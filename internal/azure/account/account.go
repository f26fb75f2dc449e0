package account

import (
	"context"

	"infrabackup/internal/azure"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/internal/secret/secretfile"
)

// maxCABytes bounds the file with the authorities of a stamp.
const maxCABytes = 1 << 20

// Open makes a client of the stamp that a configuration describes; the caller closes it.
// Errors are CONFIG_INVALID, and what reading a secret's file gives.
func Open(a config.Azure) (*azure.Stamp, error) {
	c := azure.Config{
		TenantURL: a.ManagementURL, AdminURL: a.AdminManagementURL, Authority: a.AuthorityURL, Tenant: a.Tenant, ClientID: a.ClientID,
		Resolver: a.Resolver, VaultDomain: a.VaultDomain, VaultAudience: a.VaultAudience,
	}
	var err error
	if a.CAFile != "" {
		if c.CACertificates, err = (secret.File{MaxBytes: maxCABytes}).Read(context.Background(), a.CAFile); err != nil { // a regular file does not let it wait
			return nil, fault.New(fault.ConfigInvalid, "the file with the CAs of the stamp cannot be read", err)
		}
	}
	if a.ClientSecretFile != "" {
		c.ClientSecret, err = secretfile.ReadLine(a.ClientSecretFile)
	} else {
		c.ClientCertificate, err = secretfile.ReadWhole(a.ClientCertFile)
	}
	if err != nil {
		return nil, err
	}
	return azure.New(c)
}
