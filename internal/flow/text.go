package flow

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Bounds of free text in inputs, in bytes of UTF-8.
const (
	// MaxText is what a caller may say: who asks, and why something was refused.
	MaxText = 1 << 10
)

// texted is an input with free text: people's words that are shown to people, and kept.
// What was made of the text is one printable line of at most [MaxText] bytes, see
// [backup.Printable]; whoever takes an input refuses any other.
type texted interface{ Texts() []*string }

// tidy makes the free text of an input what it has to be.
func tidy[In any](in In) In {
	if t, ok := any(&in).(texted); ok {
		for _, text := range t.Texts() {
			*text = backup.Printable(*text, MaxText)
		}
	}
	return in
}

// untidy returns why the free text of an input is not taken.
func untidy[In any](in In) error {
	if t, ok := any(&in).(texted); ok {
		for _, text := range t.Texts() {
			if *text != backup.Printable(*text, MaxText) {
				return fault.Usagef("a text is not one printable line of at most %d bytes: %q", MaxText, backup.Printable(*text, 60))
			}
		}
	}
	return nil
}

// Texts returns the free text.
func (in *BackupInput) Texts() []*string { return []*string{&in.RequestedBy} }

// Texts returns the free text.
func (in *DeleteInput) Texts() []*string { return []*string{&in.RequestedBy} }

// Texts returns the free text.
func (in *RewrapInput) Texts() []*string { return []*string{&in.RequestedBy} }

// Texts returns the free text.
func (in *ReencryptInput) Texts() []*string { return []*string{&in.RequestedBy} }

// Texts returns the free text.
func (in *ChangeSettingsInput) Texts() []*string { return []*string{&in.RequestedBy} }

// Texts returns the free text.
func (in *SettingsProposal) Texts() []*string { return []*string{&in.Settings.ChangedBy} }

// Texts returns the free text.
func (in *SettingsDrop) Texts() []*string { return []*string{&in.Code, &in.Message} }

// Texts returns the free text.
func (in *KeyChallenges) Texts() []*string { return []*string{&in.By} }

// Texts returns the free text.
func (in *KeyProof) Texts() []*string { return []*string{&in.By} }

// Texts returns the free text.
func (in *ResealInput) Texts() []*string { return []*string{&in.By} }

// Texts returns the free text.
func (in *AdoptSettingsInput) Texts() []*string { return []*string{&in.RequestedBy} }

// Texts returns the free text.
func (in *SettingsRestoration) Texts() []*string { return []*string{&in.By, &in.What} }

// Texts returns the free text.
func (in *LedgerAdvance) Texts() []*string { return []*string{&in.By} }

// Texts returns the free text.
func (in *RestorePlanInput) Texts() []*string { return []*string{&in.RequestedBy} }

// Texts returns the free text.
func (in *RestoreInput) Texts() []*string { return []*string{&in.RequestedBy} }
