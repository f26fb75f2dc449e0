package fault

import "net/http"

// Code names one cause of failure. It is stable: scripts and alert rules may
// rely on it.
type Code string

// Error makes a Code usable as the target of errors.Is.
func (c Code) Error() string { return string(c) }

// Exit codes of the command line.
const (
	ExitOK             = 0
	ExitFailed         = 1
	ExitUsage          = 2
	ExitPartial        = 3
	ExitAlreadyRunning = 4
	ExitNotEnabled     = 5
	ExitNotFound       = 6
	ExitDamaged        = 7
	ExitKeyDoesNotFit  = 8
	ExitShare          = 9
	ExitTemporal       = 10
)

// Readable values for row.retryable.
const (
	retry = true
	final = false
)

// The codes, grouped by who can mend the cause.
const (
	// General.
	Internal      Code = "INTERNAL"       // a defect, or a failure nobody classified
	Usage         Code = "USAGE"          // malformed flag, argument or input
	ConfigInvalid Code = "CONFIG_INVALID" // worker or CLI configuration
	Cancelled     Code = "CANCELLED"      // the caller gave up or cancelled
	AlreadyExists Code = "ALREADY_EXISTS" // local target is there already

	// Control.
	BackupRunning       Code = "BACKUP_RUNNING"       // one backup at a time
	ChangeRunning       Code = "CHANGE_RUNNING"       // one settings change at a time
	NotEnabled          Code = "NOT_ENABLED"          // no settings for the instance
	AlreadyEnabled      Code = "ALREADY_ENABLED"      // enable a second time
	SettingsInvalid     Code = "SETTINGS_INVALID"     // refused by validation
	RevisionGone        Code = "SETTINGS_REVISION"    // revision no longer held
	SettingsChanged     Code = "SETTINGS_CHANGED"     // another change came first
	InstanceOccupied    Code = "INSTANCE_OCCUPIED"    // another controller writes to the instance's folder
	SettingsUnprobed    Code = "SETTINGS_UNPROBED"    // to be activated without the probe that was made for it
	SettingsStopped     Code = "SETTINGS_STOPPED"     // the settings entity was terminated, cancelled or has failed
	SettingsGone        Code = "SETTINGS_GONE"        // the settings entity was deleted, or Temporal lost it
	SettingsReset       Code = "SETTINGS_RESET"       // the settings entity was reset to an earlier event
	SettingsRolledBack  Code = "SETTINGS_ROLLED_BACK" // the share tells of newer settings, or of a newer ledger head
	RequestRefused      Code = "REQUEST_REFUSED"      // input of a workflow or activity that this product does not send
	AnswerRefused       Code = "ANSWER_REFUSED"       // an answer of a workflow that is not one to the question
	StampUpdating       Code = "STAMP_UPDATING"       // the stamp is being updated, and is not backed up meanwhile
	RewrapRunning       Code = "REWRAP_RUNNING"       // keys are being replaced already
	BackupNotFound      Code = "BACKUP_NOT_FOUND"     // no such backup on the share
	ItemNotFound        Code = "ITEM_NOT_FOUND"       // no such item or service in the backup
	TemporalUnreachable Code = "TEMPORAL_UNREACHABLE" // no connection
	NoWorker            Code = "NO_WORKER"            // nothing answers on the task queue
	CodecKey            Code = "CODEC_KEY"            // payload cannot be decrypted with the keys at hand
	PayloadRefused      Code = "PAYLOAD_REFUSED"      // payload in clear, of another place, or used before
	PayloadOutdated     Code = "PAYLOAD_OUTDATED"     // payload of the form before payloads had a place

	// The share.
	ShareInvalid        Code = "SHARE_INVALID"         // malformed UNC path
	ShareUnsupported    Code = "SHARE_UNSUPPORTED"     // Azure Files, blob URL, DFS
	ShareNameUnresolved Code = "SHARE_NAME_UNRESOLVED" // DNS
	ShareUnreachable    Code = "SHARE_UNREACHABLE"     // TCP, or connection lost
	ShareDialect        Code = "SHARE_DIALECT"         // below SMB 3.0
	ShareNotEncrypted   Code = "SHARE_NOT_ENCRYPTED"   // server does not encrypt
	ShareGuest          Code = "SHARE_GUEST"           // mapped to guest or anonymous
	ShareAuthFailed     Code = "SHARE_AUTH_FAILED"     // wrong user or password
	ShareAccountLocked  Code = "SHARE_ACCOUNT_LOCKED"  // locked out
	ShareAccountInvalid Code = "SHARE_ACCOUNT_INVALID" // disabled, expired, restricted, password must change
	ShareNTLMRefused    Code = "SHARE_NTLM_REFUSED"    // server wants Kerberos only
	ShareNotFound       Code = "SHARE_NOT_FOUND"       // server has no such share
	SharePathNotFound   Code = "SHARE_PATH_NOT_FOUND"  // folder in the share is missing
	ShareAccessDenied   Code = "SHARE_ACCESS_DENIED"   // ACL
	ShareReadOnly       Code = "SHARE_READ_ONLY"       // writing refused as a whole
	ShareFull           Code = "SHARE_FULL"            // disk full or quota
	ShareFileTooLarge   Code = "SHARE_FILE_TOO_LARGE"  // file system limit
	ShareBusy           Code = "SHARE_BUSY"            // sharing violation, pending delete, overload
	ShareProtocol       Code = "SHARE_PROTOCOL"        // malformed, unsigned or plain-text frames
	ShareCorrupted      Code = "SHARE_CORRUPTED"       // read back differs from what was written
	ShareExists         Code = "SHARE_EXISTS"          // target of a rename or create is there
	ShareCredits        Code = "SHARE_CREDITS"         // server lets a client do too little at a time
	ShareNames          Code = "SHARE_NAMES"           // names come back changed
	ShareIO             Code = "SHARE_IO"              // any other failure of the server

	// The sources.
	SourceNotConfigured Code = "SOURCE_NOT_CONFIGURED" // worker's file does not name it
	SourceUnreachable   Code = "SOURCE_UNREACHABLE"    // network
	SourceTLS           Code = "SOURCE_TLS"            // certificate does not verify
	SourceAuthFailed    Code = "SOURCE_AUTH_FAILED"    // wrong credential
	SourceAccessDenied  Code = "SOURCE_ACCESS_DENIED"  // permission is missing
	SourceIncomplete    Code = "SOURCE_INCOMPLETE"     // an answer ended early
	SourceChanging      Code = "SOURCE_CHANGING"       // does not hold still
	SourceInvalid       Code = "SOURCE_INVALID"        // source is not what it should be: wrong folder, malformed file
	SourceInconsistent  Code = "SOURCE_INCONSISTENT"   // source contradicts itself
	SourceRestored      Code = "SOURCE_RESTORED"       // source was itself restored during capture
	SourceThrottled     Code = "SOURCE_THROTTLED"      // asked to wait
	SourceFailed        Code = "SOURCE_FAILED"         // failed by its own word

	// The spool.
	SpoolFull        Code = "SPOOL_FULL"        // worker's disk
	SpoolLost        Code = "SPOOL_LOST"        // captured data is gone
	SpoolUnavailable Code = "SPOOL_UNAVAILABLE" // its host does not come back
	SpoolIO          Code = "SPOOL_IO"          // any other failure of the worker's disk

	// Restoring.
	TargetNotConfigured Code = "TARGET_NOT_CONFIGURED" // the file of targets does not name it
	TargetUnreachable   Code = "TARGET_UNREACHABLE"    // network
	TargetAuthFailed    Code = "TARGET_AUTH_FAILED"    // wrong credential
	TargetAccessDenied  Code = "TARGET_ACCESS_DENIED"  // a right is missing
	TargetRefused       Code = "TARGET_REFUSED"        // the target says that this cannot be
	TargetFailed        Code = "TARGET_FAILED"         // failed by its own word, or an answer that is none
	TargetThrottled     Code = "TARGET_THROTTLED"      // asked to wait
	TargetForeign       Code = "TARGET_FOREIGN"        // not the target that the plan was made for
	TargetProduction    Code = "TARGET_PRODUCTION"     // the cloud that was backed up, without consent
	PlanInvalid         Code = "PLAN_INVALID"          // changed, cut, or not a plan
	PlanStale           Code = "PLAN_STALE"            // the live state moved since
	PlanDiffers         Code = "PLAN_DIFFERS"          // this version would write something else
	PlanExpired         Code = "PLAN_EXPIRED"          // too old
	PlanApplied         Code = "PLAN_APPLIED"          // a plan is applied once
	PlanConsent         Code = "PLAN_CONSENT"          // a step that cannot be undone needs consent by name
	MapInvalid          Code = "MAP_INVALID"           // no map, or one that contradicts itself
	MapForeign          Code = "MAP_FOREIGN"           // made for another backup's cloud or another target
	MapIncomplete       Code = "MAP_INCOMPLETE"        // what is restored has names that it does not list
	TargetNoDrill       Code = "TARGET_NO_DRILL"       // not a target that drills may use
	DrillFailed         Code = "DRILL_FAILED"          // a drill proved that not everything comes back
	CertificateInvalid  Code = "CERTIFICATE_INVALID"   // not a certificate of a drill
	CertificateForged   Code = "CERTIFICATE_FORGED"    // its signature is missing, wrong or not by a trusted key
	RestoreRunning      Code = "RESTORE_RUNNING"       // one restore at a time
	DiffRunning         Code = "DIFF_RUNNING"          // one comparison by a worker at a time
	RestoreConflict     Code = "RESTORE_CONFLICT"      // the target is neither as it was nor as it should be
	RestoreIncomplete   Code = "RESTORE_INCOMPLETE"    // ended with steps that were not done
	JournalInvalid      Code = "JOURNAL_INVALID"       // changed, cut, or of another restore
	JournalIO           Code = "JOURNAL_IO"            // the disk of the journal

	// Keys and integrity.
	KeyInvalid       Code = "KEY_INVALID"        // malformed recipient, certificate or identity
	KeyPassword      Code = "KEY_PASSWORD"       // the password of a key file is wrong
	KeyDoesNotFit    Code = "KEY_DOES_NOT_FIT"   // identity opens nothing of this
	KeyNotHeld       Code = "KEY_NOT_HELD"       // the key of a plan is not there for this caller, or no longer
	BackupDamaged    Code = "BACKUP_DAMAGED"     // digest, size or structure differ
	BackupForged     Code = "BACKUP_FORGED"      // signature missing or by an unknown key
	FormatUnknown    Code = "FORMAT_UNKNOWN"     // written by a newer version
	BackupMissing    Code = "BACKUP_MISSING"     // in the ledger and not on the share
	BackupUnlisted   Code = "BACKUP_UNLISTED"    // on the share and not in the ledger
	BackupRolledBack Code = "BACKUP_ROLLED_BACK" // an older state, or a deleted backup, is back
	BackupForeign    Code = "BACKUP_FOREIGN"     // of another instance
	RewrapUnfinished Code = "REWRAP_UNFINISHED"  // the key was being replaced
	RewrapUnproven   Code = "REWRAP_UNPROVEN"    // nobody who can open the backup vouches for its new key file
	LedgerDamaged    Code = "LEDGER_DAMAGED"     // an entry is missing, changed or forged
	LedgerRolledBack Code = "LEDGER_ROLLED_BACK" // the newest entries are gone
	ProofRefused     Code = "PROOF_REFUSED"      // the answer is not that to the challenge
	BackupIncomplete Code = "BACKUP_INCOMPLETE"  // finished with services missing
	BackupFailed     Code = "BACKUP_FAILED"      // no service could be captured
	LimitExceeded    Code = "LIMIT_EXCEEDED"     // size or count beyond what is accepted
)

type row struct {
	retryable bool
	exit      int
	http      int
	remedy    string
}

var table = map[Code]row{
	Internal:      {retry, ExitFailed, http.StatusInternalServerError, "Look into the worker's log and the workflow's history; report it if it repeats."},
	Usage:         {final, ExitUsage, http.StatusBadRequest, "See --help."},
	ConfigInvalid: {final, ExitUsage, http.StatusBadRequest, "Correct the configuration and start again."},
	Cancelled:     {final, ExitFailed, http.StatusConflict, "Start again when you are ready, unless it goes on by itself."},
	AlreadyExists: {final, ExitFailed, http.StatusConflict, "Choose another target, or remove this one first."},

	BackupRunning:       {final, ExitAlreadyRunning, http.StatusConflict, "Wait for it with `infrabackup backup watch`, or stop it with `infrabackup backup cancel`."},
	ChangeRunning:       {final, ExitAlreadyRunning, http.StatusConflict, "Wait until the running change has ended, then try again."},
	NotEnabled:          {final, ExitNotEnabled, http.StatusNotFound, "Run `infrabackup enable` first."},
	AlreadyEnabled:      {final, ExitFailed, http.StatusConflict, "See `infrabackup settings show`."},
	SettingsInvalid:     {final, ExitUsage, http.StatusBadRequest, "Correct the value and try again; nothing was changed."},
	RevisionGone:        {final, ExitFailed, http.StatusConflict, "Start again, so that the newest settings are used."},
	SettingsChanged:     {final, ExitFailed, http.StatusConflict, "Look at `infrabackup settings show`, then make the change again."},
	InstanceOccupied:    {final, ExitShare, http.StatusConflict, "Stop the other controller; to take its backups over, use `infrabackup enable --adopt`, or `infrabackup share set SHARE --adopt` where backups are enabled already. For another cloud choose another --instance."},
	SettingsUnprobed:    {final, ExitFailed, http.StatusConflict, "Make the change again; when none of your operators has made one, find out who can write to the Temporal namespace."},
	SettingsStopped:     {final, ExitNotEnabled, http.StatusConflict, "Find out who ended the settings workflow, then let it go on with `infrabackup settings adopt`."},
	SettingsGone:        {final, ExitNotEnabled, http.StatusConflict, "Find out who deleted the settings workflow, then enable backups again with `infrabackup enable --adopt`."},
	SettingsReset:       {final, ExitNotEnabled, http.StatusConflict, "Find out who reset the settings workflow, then take the newest settings over with `infrabackup settings adopt`."},
	SettingsRolledBack:  {final, ExitNotEnabled, http.StatusConflict, "Find out who set the settings back, then take the newest ones over with `infrabackup settings adopt`."},
	RequestRefused:      {final, ExitFailed, http.StatusBadRequest, "Use the infrabackup of the workers' version; when the request was not yours, find out who can write to the Temporal namespace."},
	AnswerRefused:       {final, ExitFailed, http.StatusBadGateway, "Look at the run in the Temporal Web UI, and find out who else can write to the Temporal namespace."},
	StampUpdating:       {final, ExitAlreadyRunning, http.StatusConflict, "Nothing is to be done: the next scheduled backup comes by itself. A backup that you start yourself begins all the same."},
	RewrapRunning:       {final, ExitAlreadyRunning, http.StatusConflict, "Wait until the running one has ended, then try again."},
	BackupNotFound:      {final, ExitNotFound, http.StatusNotFound, "See `infrabackup backup list`."},
	ItemNotFound:        {final, ExitNotFound, http.StatusNotFound, "List what the backup holds with `infrabackup restore extract --list`."},
	TemporalUnreachable: {retry, ExitTemporal, http.StatusServiceUnavailable, "Check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and that the Temporal server runs."},
	NoWorker:            {retry, ExitTemporal, http.StatusServiceUnavailable, "Start infrabackup-worker for this instance, and look into its log."},
	CodecKey:            {final, ExitFailed, http.StatusInternalServerError, "Point INFRABACKUP_CODEC_KEY_FILE to the key file that the workers use."},
	PayloadRefused:      {final, ExitFailed, http.StatusForbidden, "A client without the codec key wrote to the Temporal namespace, or a request was sent a second time: nothing was done with it. Find out who it was (deploy/TEMPORAL.md), and start again."},
	PayloadOutdated:     {final, ExitFailed, http.StatusConflict, "An earlier version wrote it: stop the workers and run `infrabackup-worker --convert` once (deploy/OPERATIONS.md, Upgrading). A run that began before the upgrade is to be started again."},

	ShareInvalid:        {final, ExitUsage, http.StatusBadRequest, `Give a UNC path such as \\fs.example.com\AzSBackups\folder.`},
	ShareUnsupported:    {final, ExitShare, http.StatusBadRequest, "Use an SMB 3 share on a file server in the trusted network; Azure Files, blobs and DFS paths are not supported."},
	ShareNameUnresolved: {retry, ExitShare, http.StatusBadGateway, "Make the file server's name resolvable on every worker host."},
	ShareUnreachable:    {retry, ExitShare, http.StatusBadGateway, "Check that the file server runs and that port 445 is open outbound from every worker host; when connections end that stood, look into the server's log."},
	ShareDialect:        {final, ExitShare, http.StatusBadGateway, "Enable SMB 3.0 or later on the file server (3.1.1 is recommended)."},
	ShareNotEncrypted:   {final, ExitShare, http.StatusBadGateway, "Require SMB encryption on the server or the share (Windows: Set-SmbShare -EncryptData $true; Samba: smb encrypt = required), or choose --transport signed."},
	ShareGuest:          {final, ExitShare, http.StatusBadGateway, "Give a real account, and switch off guest mapping on the file server."},
	ShareAuthFailed:     {final, ExitShare, http.StatusBadGateway, "Check user name, domain and password; the login is not tried again, so that the account is not locked."},
	ShareAccountLocked:  {final, ExitShare, http.StatusBadGateway, "Unlock the account, find out who locked it, then try again."},
	ShareAccountInvalid: {final, ExitShare, http.StatusBadGateway, "Enable the account, renew its password, or lift its restriction."},
	ShareNTLMRefused:    {final, ExitShare, http.StatusBadGateway, "Allow NTLMv2 for this account on the file server; Kerberos is not supported."},
	ShareNotFound:       {final, ExitShare, http.StatusBadGateway, "Check the share's name on the file server."},
	SharePathNotFound:   {final, ExitShare, http.StatusBadGateway, "Create the folder on the share, or correct the path."},
	ShareAccessDenied:   {final, ExitShare, http.StatusBadGateway, "Grant the account read, write and delete on the share and its folder."},
	ShareReadOnly:       {final, ExitShare, http.StatusBadGateway, "Make the share writable for this account."},
	ShareFull:           {final, ExitShare, http.StatusInsufficientStorage, "Free space on the share or raise the quota, then start a backup again; when the server reports less than there is, add --ignore-free-space."},
	ShareFileTooLarge:   {final, ExitShare, http.StatusInsufficientStorage, "Use a file system on the server that takes large files."},
	ShareBusy:           {retry, ExitShare, http.StatusBadGateway, "Look for a virus scanner or another process that holds files on the share."},
	ShareProtocol:       {retry, ExitShare, http.StatusBadGateway, "Check what is between worker and file server; the connection was dropped for safety."},
	ShareCorrupted:      {retry, ExitShare, http.StatusBadGateway, "The file server did not keep what it confirmed: check its disks and memory."},
	ShareExists:         {final, ExitShare, http.StatusConflict, "Look at what is there; nothing was replaced."},
	ShareCredits:        {final, ExitShare, http.StatusBadGateway, "Let the file server grant each connection more credits: 16 at least, 512 for full speed (Samba: smb2 max credits; Windows: Set-SmbServerConfiguration -Smb2CreditsMin)."},
	ShareNames:          {final, ExitShare, http.StatusBadGateway, "Let the file server keep names as they are written, with upper and lower case (Samba: preserve case = yes, short preserve case = yes)."},
	ShareIO:             {retry, ExitShare, http.StatusBadGateway, "Check the file server's health and log."},

	SourceNotConfigured: {final, ExitFailed, http.StatusBadRequest, "Add the source to the worker's configuration file."},
	SourceUnreachable:   {retry, ExitFailed, http.StatusBadGateway, "Check that the source runs and that the worker can reach it."},
	SourceTLS:           {final, ExitFailed, http.StatusBadGateway, "Compare what is named here: the CA in the source's caFile, the name in its URL with that in its certificate, and the certificate's dates."},
	SourceAuthFailed:    {final, ExitFailed, http.StatusBadGateway, "Correct the source's credential in the worker's configuration; it is not tried again, so that the account is not locked."},
	SourceAccessDenied:  {final, ExitFailed, http.StatusBadGateway, "Grant the worker's account the permission named here."},
	SourceIncomplete:    {retry, ExitFailed, http.StatusBadGateway, "The source ended an answer early; look at its health if it repeats."},
	SourceChanging:      {retry, ExitFailed, http.StatusConflict, "Start the backup when the source is quieter."},
	SourceInvalid:       {final, ExitFailed, http.StatusBadGateway, "Correct the source, or the path to it in the worker's configuration."},
	SourceInconsistent:  {final, ExitFailed, http.StatusBadGateway, "Repair the source first: a copy of it could not be trusted."},
	SourceRestored:      {retry, ExitFailed, http.StatusConflict, "Start the backup again when the source's own recovery has ended."},
	SourceThrottled:     {retry, ExitFailed, http.StatusTooManyRequests, "The source asked to wait; the run goes on by itself."},
	SourceFailed:        {retry, ExitFailed, http.StatusBadGateway, "Look at the source's own health and log if it repeats."},

	SpoolFull:        {retry, ExitFailed, http.StatusInsufficientStorage, "Free space in the worker's spool folder."},
	SpoolLost:        {final, ExitFailed, http.StatusInternalServerError, "The service is captured again."},
	SpoolUnavailable: {final, ExitFailed, http.StatusServiceUnavailable, "Bring the worker host back; the service is captured again elsewhere."},
	SpoolIO:          {retry, ExitFailed, http.StatusInternalServerError, "Check the worker's disk and the rights on its spool folder."},

	TargetNotConfigured: {final, ExitUsage, http.StatusBadRequest, "Give the target's file a part for the service, or name the file below `targets` in a worker's configuration."},
	TargetUnreachable:   {retry, ExitFailed, http.StatusBadGateway, "Check that the target runs and that this host can reach it."},
	TargetAuthFailed:    {final, ExitFailed, http.StatusBadGateway, "Correct the target's credential; it is not tried again, so that the account is not locked."},
	TargetAccessDenied:  {final, ExitFailed, http.StatusBadGateway, "Grant the target's account the right named here."},
	TargetRefused:       {final, ExitFailed, http.StatusConflict, "See what the target says, mend it there, and make a new plan."},
	TargetFailed:        {retry, ExitFailed, http.StatusBadGateway, "Look at the target's own health and log if it repeats."},
	TargetThrottled:     {retry, ExitFailed, http.StatusTooManyRequests, "The target asked to wait; apply the same plan again later."},
	TargetForeign:       {final, ExitFailed, http.StatusConflict, "Make a plan for this target, or name the one that the plan was made for."},
	TargetProduction:    {final, ExitUsage, http.StatusForbidden, "Name another target; when this one is meant, give --yes-production with the ID that is named here."},
	PlanInvalid:         {final, ExitUsage, http.StatusBadRequest, "Make a new plan."},
	PlanStale:           {final, ExitFailed, http.StatusConflict, "Look at what moved, and make a new plan."},
	PlanDiffers:         {final, ExitFailed, http.StatusConflict, "Make a new plan with this version, or use the version and the backup that the plan was made with."},
	PlanExpired:         {final, ExitFailed, http.StatusConflict, "Make a new plan."},
	PlanApplied:         {final, ExitFailed, http.StatusConflict, "Make a new plan; a plan is applied once."},
	PlanConsent:         {final, ExitUsage, http.StatusForbidden, "Read the steps that cannot be undone, and name them with --irreversible."},
	MapInvalid:          {final, ExitUsage, http.StatusBadRequest, "Correct the map at the place that is named, or write a new one with --write-map."},
	MapForeign:          {final, ExitUsage, http.StatusConflict, "Write a map for this backup and this target with --write-map."},
	MapIncomplete:       {final, ExitUsage, http.StatusConflict, "Add the names that are listed to the map: --write-map shows where they belong."},
	TargetNoDrill:       {final, ExitUsage, http.StatusForbidden, "Use a target that is there for drills, and repeat its deploymentId as drill in its file."},
	DrillFailed:         {final, ExitPartial, http.StatusOK, "See what nothing explains, and what was not done; then mend the cause and drill again."},
	CertificateInvalid:  {final, ExitDamaged, http.StatusBadRequest, "Use the certificate as the drill wrote it."},
	CertificateForged:   {final, ExitDamaged, http.StatusBadRequest, "Find out who changed the certificate; trust only those that a key of the list signed."},
	RestoreRunning:      {final, ExitAlreadyRunning, http.StatusConflict, "Wait until the running restore has ended, then try again."},
	DiffRunning:         {final, ExitAlreadyRunning, http.StatusConflict, "Wait until the running comparison has ended, then try again."},
	RestoreConflict:     {final, ExitFailed, http.StatusConflict, "Look at the item in the target, put right what is there, and make a new plan."},
	RestoreIncomplete:   {final, ExitPartial, http.StatusOK, "See the steps that were not done, mend their causes, and make a new plan."},
	JournalInvalid:      {final, ExitDamaged, http.StatusConflict, "Use the folder that the restore wrote, as it was written."},
	JournalIO:           {retry, ExitFailed, http.StatusInternalServerError, "Check the disk, its free space and the rights on the folder."},

	KeyInvalid:       {final, ExitUsage, http.StatusBadRequest, "Public keys are age recipients, RSA certificates of 2048 bits or more and base64 keys of 32 bytes or more; private keys are age identities, unencrypted RSA keys in PEM and the same base64 keys."},
	KeyPassword:      {final, ExitKeyDoesNotFit, http.StatusBadRequest, "Give the password that the file was exported with."},
	KeyDoesNotFit:    {final, ExitKeyDoesNotFit, http.StatusBadRequest, "Use the private key of a recipient that the backup (`infrabackup backup show`) or, for a proof, the settings (`infrabackup settings show`) name."},
	KeyNotHeld:       {final, ExitKeyDoesNotFit, http.StatusConflict, "Give the private key and the plan's backup again."},
	BackupDamaged:    {final, ExitDamaged, http.StatusConflict, "Do not rely on this backup; take a new one, and check the file server."},
	BackupForged:     {final, ExitDamaged, http.StatusConflict, "Do not restore from it; find out who wrote to the share."},
	BackupMissing:    {final, ExitDamaged, http.StatusConflict, "Find out who removed it from the share; `infrabackup backup delete` leaves an entry in the ledger."},
	BackupUnlisted:   {final, ExitDamaged, http.StatusConflict, "Do not restore from it until you know how it came there."},
	BackupRolledBack: {final, ExitDamaged, http.StatusConflict, "Do not restore from it; find out who wrote to the share."},
	BackupForeign:    {final, ExitDamaged, http.StatusConflict, "Move it to the folder of its own instance."},
	RewrapUnfinished: {final, ExitDamaged, http.StatusConflict, "Run `infrabackup key rewrap` again; it goes on where it was ended, and removes what lies there without need."},
	RewrapUnproven:   {final, ExitKeyDoesNotFit, http.StatusForbidden, "Run `infrabackup key rewrap` of the workers' version where a private key is that opens the backup; when none of your operators did, find out who can write to the Temporal namespace."},
	LedgerDamaged:    {final, ExitDamaged, http.StatusConflict, "Find out who wrote to the share; backups that are good by themselves still open. When you know the reason, begin a new ledger with `infrabackup share set SHARE --adopt --new-ledger`."},
	LedgerRolledBack: {final, ExitDamaged, http.StatusConflict, "The share shows an older state: find out who restored it, or why. If it is meant, begin a new ledger with `infrabackup share set SHARE --adopt --new-ledger`."},
	ProofRefused:     {final, ExitKeyDoesNotFit, http.StatusBadRequest, "Answer the newest challenge, with the key that it was created for (`infrabackup key prove --help`)."},
	FormatUnknown:    {final, ExitDamaged, http.StatusConflict, "Use a version of infrabackup that knows this format."},
	BackupIncomplete: {final, ExitPartial, http.StatusOK, "See the services' codes, mend their causes and start again."},
	BackupFailed:     {final, ExitFailed, http.StatusBadGateway, "See the services' codes, mend their causes and start again."},
	LimitExceeded:    {final, ExitFailed, http.StatusRequestEntityTooLarge, "Make what is named here smaller, or report the size that you need."},
}

// Known reports whether the table has the code.
func (c Code) Known() bool { _, ok := table[c]; return ok }

// Retryable reports whether doing the same again can succeed without anybody
// changing anything. Unknown codes are retryable, as unknown errors are.
func (c Code) Retryable() bool {
	r, ok := table[c]
	return !ok || r.retryable
}

// Remedy is one sentence that says what to do.
func (c Code) Remedy() string { return table[c].remedy }

// Exit is the command line's exit code.
func (c Code) Exit() int {
	if r, ok := table[c]; ok {
		return r.exit
	}
	return ExitFailed
}

// HTTPStatus is the status of an HTTP answer that reports this code.
func (c Code) HTTPStatus() int {
	if r, ok := table[c]; ok {
		return r.http
	}
	return http.StatusInternalServerError
}

// Codes returns every code of the table, in no particular order.
func Codes() []Code {
	all := make([]Code, 0, len(table))
	for c := range table {
		all = append(all, c)
	}
	return all
}
