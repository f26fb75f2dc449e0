package mount

import (
	"context"

	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
)

// Config is how the share of s is connected to. SHARE_UNSUPPORTED and the like when its
// path names none.
func Config(s settings.Settings) (smb.Config, error) {
	unc, err := share.ParseUNC(s.Share.Path)
	if err != nil {
		return smb.Config{}, err
	}
	return smb.Config{
		UNC:       unc,
		Username:  s.Credential.Username,
		Password:  s.Credential.Password.String,
		Transport: s.Share.Transport,
	}, nil
}

// Open connects to the share of s. The caller closes the store.
func Open(ctx context.Context, s settings.Settings) (*smb.Store, error) {
	c, err := Config(s)
	if err != nil {
		return nil, err
	}
	return smb.Open(ctx, c)
}
