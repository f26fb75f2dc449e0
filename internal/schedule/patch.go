package schedule

// Patch is a change of single members of a schedule. What is nil stays as it is.
type Patch struct {
	Enabled                                     *bool
	FrequencyHours, RetentionDays, KeepVerified *int
}

// Over is a schedule with the members that are given.
func (p Patch) Over(s Setting) Setting {
	if p.Enabled != nil {
		s.Enabled = *p.Enabled
	}
	for _, m := range []struct{ from, to *int }{
		{p.FrequencyHours, &s.FrequencyHours}, {p.RetentionDays, &s.RetentionDays}, {p.KeepVerified, &s.KeepVerified},
	} {
		if m.from != nil {
			*m.to = *m.from
		}
	}
	return s
}
