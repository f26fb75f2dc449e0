package stamp

// UncommonTypes are types that generated contents have and that the stamp offers only
// when [Options].Versions names them: one of a stranger's provider, and one that a
// known provider has on few stamps.
func UncommonTypes() map[string][]string {
	return map[string][]string{
		"Contoso.Widgets/gadgets":     {"2020-01-01"},
		"Microsoft.Compute/galleries": {"2019-07-01"},
	}
}
