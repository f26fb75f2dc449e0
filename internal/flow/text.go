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

// textsOf is the free text of an input: people's words that are shown to people, and kept. What was
// made of it is one printable line of at most [MaxText] bytes, see [backup.Printable]; a worker
// refuses any other.
func textsOf(in any) []*string {
	switch in := in.(type) {
	case *BackupInput:
		return []*string{&in.RequestedBy}
	case *SettingsProposal:
		return []*string{&in.Settings.ChangedBy}
	case *SettingsDrop:
		return []*string{&in.Code, &in.Message}
	case *KeyChallenges:
		return []*string{&in.By}
	case *KeyProof:
		return []*string{&in.By}
	case *ResealInput:
		return []*string{&in.By}
	case *SettingsRestoration:
		return []*string{&in.By, &in.What}
	case *LedgerAdvance:
		return []*string{&in.By}
	case *ScheduleChange:
		return []*string{&in.By}
	case *SlotClaim:
		return []*string{&in.Code, &in.Message}
	case *VerdictNote:
		return []*string{&in.Code, &in.Beside}
	case *AlertAcknowledgement:
		return []*string{&in.Code, &in.Object, &in.By, &in.Note}
	case interface{ texts() []*string }:
		return in.texts()
	case interface{ Texts() []*string }: // of a package that has its own
		return in.Texts()
	}
	return nil
}

// texts are those of inputs in which a person says who they are, and nothing else.
func (in *DeleteInput) texts() []*string         { return []*string{&in.RequestedBy} }
func (in *RewrapInput) texts() []*string         { return []*string{&in.RequestedBy} }
func (in *ReencryptInput) texts() []*string      { return []*string{&in.RequestedBy} }
func (in *ChangeSettingsInput) texts() []*string { return []*string{&in.RequestedBy} }
func (in *AdoptSettingsInput) texts() []*string  { return []*string{&in.RequestedBy} }
func (in *RestoreAccess) texts() []*string       { return []*string{&in.RequestedBy} }
func (in *PruneInput) texts() []*string          { return []*string{&in.RequestedBy} }

// tidy makes the free text of an input what it has to be.
func tidy[In any](in In) In {
	for _, text := range textsOf(&in) {
		*text = backup.Printable(*text, MaxText)
	}
	return in
}

// untidy returns why the free text of an input is not taken.
func untidy[In any](in In) error {
	for _, text := range textsOf(&in) {
		if *text != backup.Printable(*text, MaxText) {
			return fault.Usagef("a text is not one printable line of at most %d bytes: %q", MaxText, backup.Printable(*text, 60))
		}
	}
	return nil
}
