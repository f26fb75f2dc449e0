package temporal

import (
	"infrabackup/internal/config"
	"infrabackup/internal/secret/secretfile"
)

// FromConfig takes what a configuration file says and, for what it leaves out, the
// TEMPORAL_… variables of [FromEnvironment]. TLS and API key are taken from one of them as
// a whole.
func FromConfig(c config.Temporal, lookup func(string) (string, bool)) (Options, error) {
	o, err := FromEnvironment(lookup)
	if err != nil {
		return o, err
	}
	if c.Address != "" {
		o.Address = c.Address
	}
	if c.Namespace != "" {
		o.Namespace = c.Namespace
	}
	if c.TLS != (config.TLS{}) {
		o.TLS = TLS(c.TLS)
	}
	if c.APIKeyFile != "" {
		if o.APIKey, err = secretfile.ReadLine(c.APIKeyFile); err != nil {
			return o, err
		}
		o.APIKeyFile = c.APIKeyFile
	}
	return o, nil
}
