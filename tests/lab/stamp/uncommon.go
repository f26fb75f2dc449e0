package stamp

// UncommonTypes are types that generated contents have and that few stamps offer: one of
// a stranger's provider, and one of a known provider. A stamp offers them at these
// versions anyway when it starts with such contents; naming them in [Options].Versions
// offers them to a stamp that gets such documents later.
func UncommonTypes() map[string][]string {
	return map[string][]string{
		"Contoso.Widgets/gadgets":     {"2020-01-01"},
		"Microsoft.Compute/galleries": {"2019-07-01"},
	}
}
