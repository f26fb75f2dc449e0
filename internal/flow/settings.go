package flow

import (
	"time"

	"infrabackup/internal/settings"
)

// Settings is the entity that holds an instance's settings. It runs for ever and
// continues as new when its history has grown.
var Settings = Workflow[SettingsState, struct{}]{"SettingsWorkflow"}

// SettingsState is what the entity carries from run to run.
type SettingsState struct {
	Instance  string              `json:"instance"`
	Active    int64               `json:"active"` // revision in force, 0 before enable
	Last      int64               `json:"last"`   // newest revision ever given out
	Revisions []settings.Settings `json:"revisions"`
}

// Messages to the settings entity. A change is proposed, probed from outside, and
// then put in force or dropped.
var (
	ProposeSettings = Update[SettingsProposal, int64]{"propose"}
	ApplySettings   = Update[SettingsChoice, settings.Summary]{"apply"}
	DropSettings    = Update[SettingsChoice, struct{}]{"drop"}
	GetSettings     = Query[SettingsChoice, settings.Settings]{"settings"}
	SummarySettings = Query[struct{}, settings.Summary]{"summary"}
)

// SettingsProposal is a complete set of settings that is not in force yet.
type SettingsProposal struct {
	Settings settings.Settings `json:"settings"`
	First    bool              `json:"first"` // refuse when the instance is enabled already
}

// SettingsChoice names a revision; 0 is the one in force.
type SettingsChoice struct {
	Revision int64 `json:"revision"`
}

// Enable probes a first proposal and puts it in force.
var Enable = Workflow[ChangeSettingsInput, settings.Summary]{"EnableWorkflow"}

// ChangeSettingsInput starts a change of settings. It holds no secret: the values
// are with the entity already.
type ChangeSettingsInput struct {
	Instance    string `json:"instance"`
	Revision    int64  `json:"revision"`
	RequestedBy string `json:"requestedBy"`
}

// The activities of a change.
var (
	ProbeShare   = Activity[ProbeShareInput, ProbeShareOutput]{"ProbeShare"}
	SettleChange = Activity[SettleChangeInput, settings.Summary]{"SettleChange"}
)

// ProbeShareInput asks for the whole check of a proposed share.
type ProbeShareInput struct {
	Revision int64 `json:"revision"`
}

// ProbeShareOutput is what the share told about itself.
type ProbeShareOutput struct {
	FreeBytes  int64         `json:"freeBytes"`
	TotalBytes int64         `json:"totalBytes"`
	Dialect    string        `json:"dialect"`
	Cipher     string        `json:"cipher"`
	Took       time.Duration `json:"took"`
}

// SettleChangeInput puts a proposal in force, or drops it.
type SettleChangeInput struct {
	Revision int64 `json:"revision"`
	Drop     bool  `json:"drop"`
}
