package flow

import (
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// Settings is the entity that holds an instance's settings. It runs for ever and
// continues as new when its history has grown.
var Settings = Workflow[SettingsState, struct{}]{"SettingsWorkflow"}

// SettingsState is what the entity carries from run to run.
type SettingsState struct {
	Instance   string              `json:"instance"`
	Active     int64               `json:"active"` // active revision, 0 before enable
	Last       int64               `json:"last"`   // newest revision ever given out
	Revisions  []settings.Settings `json:"revisions"`
	Controller string              `json:"controller"` // ID, from the first proposal on
	History    settings.History    `json:"history"`
	Ledgers    []ShareLedger       `json:"ledgers"` // one for each share that was ever used
	Keys       []KeyState          `json:"keys"`    // of all recipients, present and recent
	// Reset is set when an operator of Temporal has reset the entity to an earlier event,
	// until somebody takes the settings over as they are.
	Reset bool `json:"reset,omitempty"`
	// Upkeep is what is remembered of what goes on by itself.
	Upkeep UpkeepState `json:"upkeep,omitzero"`
}

// ShareLedger is the head of the ledger on one share.
type ShareLedger struct {
	Share string            `json:"share"` // [settings.Share.Place]
	Head  backup.LedgerHead `json:"head"`
}

// KeyState is what is remembered about the holder of a key.
type KeyState struct {
	Fingerprint string    `json:"fingerprint"`
	Since       time.Time `json:"since"` // when it became a recipient; zero for a key of a proposal
	ProvenAt    time.Time `json:"provenAt,omitzero"`
	ProvenBy    string    `json:"provenBy,omitempty"`
	Challenge   string    `json:"challenge,omitempty"` // digest of the answer to the open challenge
	AskedAt     time.Time `json:"askedAt,omitzero"`
}

// Messages to the settings entity. A change is proposed, probed from outside, and
// then activated or dropped.
var (
	ProposeSettings = Update[SettingsProposal, int64]{"propose"}
	ProposeChange   = Update[settings.Change, int64]{"propose-change"}
	ApplySettings   = Update[SettingsApplication, settings.Summary]{"apply"}
	DropSettings    = Update[SettingsDrop, struct{}]{"drop"}
	AdvanceLedger   = Update[LedgerAdvance, backup.LedgerHead]{"advance-ledger"}
	ChallengeKeys   = Update[KeyChallenges, struct{}]{"challenge-keys"}
	ProveKey        = Update[KeyProof, KeyState]{"prove-key"}
	Reseal          = Update[ResealInput, struct{}]{"reseal"}
	RestoreSettings = Update[SettingsRestoration, settings.Summary]{"restore"}
	GetSettings     = Query[SettingsChoice, settings.Settings]{"settings"}
	SummarySettings = Query[struct{}, settings.Summary]{"summary"}
	SettingsHistory = Query[struct{}, settings.History]{"history"}
	GetLedger       = Query[LedgerQuestion, backup.LedgerHead]{"ledger"}
	GetState        = Query[struct{}, SettingsState]{"state"} // all of it, for another run to go on with
	GetStanding     = Query[LedgerQuestion, SettingsStanding]{"standing"}
)

// SettingsProposal is a complete set of settings that is not active yet.
type SettingsProposal struct {
	Settings settings.Settings `json:"settings"`
	First    bool              `json:"first"` // refuse when the instance is enabled already
}

// SettingsChoice names a revision; 0 is the active one.
type SettingsChoice struct {
	Revision int64 `json:"revision"`
}

// SettingsApplication activates a revision.
type SettingsApplication struct {
	Revision int64 `json:"revision"`
	// Signers are public keys that signed what lies on the share already; they are
	// trusted from now on, as former ones.
	Signers []string `json:"signers,omitempty"`
	// Probe states that this very revision was tried, and found these signers.
	Probe *settings.Probe `json:"probe,omitempty"`
	// Schedule is set together with the revision, when it was given: those members of it that
	// ScheduleOver has otherwise, all of them without one.
	Schedule     *schedule.Setting `json:"schedule,omitempty"`
	ScheduleOver *schedule.Setting `json:"scheduleOver,omitempty"`
}

// SettingsRestoration activates the settings again, as a revision behind all that
// the share tells of: settings that were set back, or whose entity was reset, are gone on
// with because somebody has looked at them.
type SettingsRestoration struct {
	Revision int64  `json:"revision"` // the active one, as whoever restores it has seen it
	Above    int64  `json:"above"`    // newest revision that the share tells of
	By       string `json:"by"`
	What     string `json:"what"` // for the history
}

// MaxRevision bounds the number of a revision that somebody else tells of.
const MaxRevision = 1 << 40

// SettingsDrop forgets a proposal, with the reason.
type SettingsDrop struct {
	Revision int64  `json:"revision"`
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
}

// LedgerQuestion asks for the head of the ledger on a share.
type LedgerQuestion struct {
	Share string `json:"share"`
}

// SettingsStanding is how far the entity is: what the share is compared with.
type SettingsStanding struct {
	Revision    int64             `json:"revision"`    // the active one, 0 before enable
	Fingerprint string            `json:"fingerprint"` // of that revision, [settings.Settings.Fingerprint]
	Controller  string            `json:"controller"`
	Head        backup.LedgerHead `json:"head"` // of the ledger that was asked for
	Reset       bool              `json:"reset,omitempty"`
}

// LedgerAdvance moves the head of a share's ledger. It is refused with
// SETTINGS_CHANGED unless the head is From, or To already.
//
// A head moves forward only, unless the ledger was set aside and begins from its first entry.
type LedgerAdvance struct {
	Share string            `json:"share"`
	From  backup.LedgerHead `json:"from"`
	To    backup.LedgerHead `json:"to"`
	Anew  bool              `json:"anew,omitempty"`
	By    string            `json:"by,omitempty"` // who wanted it to begin from the first entry
}

// KeyChallenges notes the open challenges, by fingerprint of the key: digests of the
// answers only. The keys are recipients, or those of a proposal.
type KeyChallenges struct {
	Digests map[string]string `json:"digests"`
	By      string            `json:"by"`
}

// KeyProof is an answer to a challenge, as its digest.
type KeyProof struct {
	Digest string `json:"digest"`
	By     string `json:"by"`
}

// ResealInput asks the entity to write its state again, under the newest codec key.
type ResealInput struct {
	By string `json:"by"`
}

// Workflows that change the active settings. All have the same fixed ID, so one change
// runs at a time.
var (
	Enable            = Workflow[ChangeSettingsInput, settings.Summary]{"EnableWorkflow"}
	ChangeShare       = Workflow[ChangeSettingsInput, ChangeShareOutput]{"ChangeShareWorkflow"}
	ChangeCredentials = Workflow[ChangeSettingsInput, settings.Summary]{"ChangeCredentialsWorkflow"}
	ChangeKey         = Workflow[ChangeSettingsInput, settings.Summary]{"ChangeKeyWorkflow"}
	ChangeSigningKey  = Workflow[ChangeSettingsInput, settings.Summary]{"ChangeSigningKeyWorkflow"}
	ChangeServices    = Workflow[ChangeSettingsInput, settings.Summary]{"ChangeServicesWorkflow"}
	AdoptSettings     = Workflow[AdoptSettingsInput, AdoptSettingsOutput]{"AdoptSettingsWorkflow"}
)

// AdoptSettingsInput asks a worker to compare the active settings with what the share tells
// of, and to go on with it.
type AdoptSettingsInput struct {
	Instance    string `json:"instance"`
	RequestedBy string `json:"requestedBy"`
	// Older goes on with settings also when the share tells of newer ones, which are lost.
	Older bool `json:"older,omitempty"`
}

// AdoptSettingsOutput has the active settings afterwards.
type AdoptSettingsOutput struct {
	Settings settings.Summary `json:"settings"`
	// Lost is the newest revision that the share told of when it was newer than what
	// there was to go on with, else 0.
	Lost int64 `json:"lost,omitempty"`
}

// ChangeSettingsInput starts a change of settings. It holds no secret: the values
// are with the entity already.
type ChangeSettingsInput struct {
	Instance    string `json:"instance"`
	Revision    int64  `json:"revision"`
	RequestedBy string `json:"requestedBy"`
	// Adopt takes over the backups that are on the share already. Signers is the
	// operator's trusted copy of allowed_signers; without it the share's own is used.
	Adopt   bool   `json:"adopt,omitempty"`
	Signers []byte `json:"signers,omitempty"`
	// NewLedger sets the ledger that is there aside and begins another; with Adopt.
	NewLedger bool `json:"newLedger,omitempty"`
	// Copy copies the backups of the current share to the new one first.
	Copy bool `json:"copy,omitempty"`
	// Schedule is set together with the revision, when it is given. ScheduleOver is the setting
	// that it was made over: what has changed of it meanwhile stays.
	Schedule     *schedule.Setting `json:"schedule,omitempty"`
	ScheduleOver *schedule.Setting `json:"scheduleOver,omitempty"`
}

// ChangeShareOutput tells what became of the backups on the share that was left.
type ChangeShareOutput struct {
	Settings settings.Summary `json:"settings"`
	Before   settings.Share   `json:"before"`
	Copied   int              `json:"copied"`
	// LeftBehind is how many backups the share that was left holds still, -1 when it
	// did not answer.
	LeftBehind int `json:"leftBehind"`
}

// The activities of a change.
var (
	ProbeShare   = Activity[ProbeShareInput, ProbeShareOutput]{"ProbeShare"}
	CopyBackups  = Activity[CopyBackupsInput, CopyBackupsOutput]{"CopyBackups"}
	SettleChange = Activity[SettleChangeInput, settings.Summary]{"SettleChange"}
	// RestoreActive is the one step of [AdoptSettings].
	RestoreActive = Activity[AdoptSettingsInput, AdoptSettingsOutput]{"RestoreSettings"}
)

// ProbeShareInput asks for the whole check of proposed settings: everything that a
// backup needs from the share, that no other controller writes there, and that the
// keys can be encrypted to.
type ProbeShareInput struct {
	Instance string `json:"instance,omitempty"` // absent in runs of earlier versions
	Revision int64  `json:"revision"`
	Adopt    bool   `json:"adopt,omitempty"`
	Signers  []byte `json:"signers,omitempty"`
	Copy     bool   `json:"copy,omitempty"`
	// NewLedger leaves the ledger that is there out of the check.
	NewLedger bool `json:"newLedger,omitempty"`
}

// ProbeShareOutput is what the share told about itself.
type ProbeShareOutput struct {
	FreeBytes  int64         `json:"freeBytes"`
	TotalBytes int64         `json:"totalBytes"`
	Dialect    string        `json:"dialect"`
	Cipher     string        `json:"cipher"`
	Took       time.Duration `json:"took"`
	// Before is the current share; Held how many backups it holds when another one is
	// proposed, -1 when it did not answer.
	Before settings.Share `json:"before"`
	Held   int            `json:"held"`
	// Adopted is how many backups were found on the share and will be taken over.
	Adopted int `json:"adopted,omitempty"`
	// Probe states what was tried; later steps ask for it.
	Probe *settings.Probe `json:"probe,omitempty"`
}

// CopyBackupsInput asks for the copy of all backups from the current share to that of
// a proposed revision.
type CopyBackupsInput struct {
	Instance string          `json:"instance,omitempty"` // absent in runs of earlier versions
	Revision int64           `json:"revision"`
	Probe    *settings.Probe `json:"probe,omitempty"`
}

// CopyBackupsOutput tells what was copied and compared.
type CopyBackupsOutput struct {
	Backups int   `json:"backups"`
	Bytes   int64 `json:"bytes"`
	// Head is where the ledger of the current share ended when the copy began; absent in
	// runs of earlier versions.
	Head *backup.LedgerHead `json:"head,omitempty"`
}

// SettleChangeInput activates a proposal, or drops it with the reason.
type SettleChangeInput struct {
	Instance string `json:"instance,omitempty"` // absent in runs of earlier versions
	Revision int64  `json:"revision"`
	Drop     bool   `json:"drop"`
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
	Adopt    bool   `json:"adopt,omitempty"`
	Signers  []byte `json:"signers,omitempty"`
	// NewLedger sets the ledger that is there aside and begins another; with Adopt.
	NewLedger bool `json:"newLedger,omitempty"`
	// Probe states that the proposal was tried; a drop needs none.
	Probe *settings.Probe `json:"probe,omitempty"`
	// Copied is where the ledger of the current share has to end still, because its backups
	// were copied at that entry.
	Copied *backup.LedgerHead `json:"copied,omitempty"`
	// Schedule is set together with the revision, when it is given. ScheduleOver is the setting
	// that it was made over: what has changed of it meanwhile stays.
	Schedule     *schedule.Setting `json:"schedule,omitempty"`
	ScheduleOver *schedule.Setting `json:"scheduleOver,omitempty"`
}
