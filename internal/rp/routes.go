package rp

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"infrabackup/internal/rp/address"
)

// Actions, as role definitions name them.
const (
	actionOperations  = "Microsoft.Backup.Admin/operations/read"
	actionLocations   = "Microsoft.Backup.Admin/backupLocations/read"
	actionWrite       = "Microsoft.Backup.Admin/backupLocations/write"
	actionCreate      = "Microsoft.Backup.Admin/backupLocations/createBackup/action"
	actionPrune       = "Microsoft.Backup.Admin/backupLocations/pruneExternalStore/action"
	actionPruneDryRun = "Microsoft.Backup.Admin/backupLocations/pruneExternalStore/dryRun/action"
	actionBackups     = "Microsoft.Backup.Admin/backupLocations/backups/read"
	actionRestore     = "Microsoft.Backup.Admin/backupLocations/backups/restore/action"
	actionVerify      = "Microsoft.Backup.Admin/backupLocations/backups/verify/action"
	actionCancel      = "Microsoft.Backup.Admin/backupLocations/backups/cancel/action"
	actionStopRestore = "Microsoft.Backup.Admin/backupLocations/restores/cancel/action"
	actionRestores    = "Microsoft.Backup.Admin/backupLocations/restores/read"
	actionDrills      = "Microsoft.Backup.Admin/backupLocations/drills/read"
	actionDiff        = "Microsoft.Backup.Admin/backupLocations/backups/diff/action" // also to read one: it tells names
	actionPlan        = "Microsoft.Backup.Admin/backupLocations/restores/plan/action"
	actionApply       = "Microsoft.Backup.Admin/backupLocations/restores/apply/action"
	actionResults     = "Microsoft.Backup.Admin/backupLocations/operationResults/read"
	actionProgress    = "Microsoft.Backup.Admin/backupLocations/progress/read"
	actionHistory     = "Microsoft.Backup.Admin/backupLocations/history/read"
	actionAlerts      = "Microsoft.Backup.Admin/backupLocations/alerts/read"
	actionAcknowledge = "Microsoft.Backup.Admin/backupLocations/alerts/acknowledge/action"
	actionProveKey    = "Microsoft.Backup.Admin/backupLocations/proveKey/action"
	actionTokens      = "Microsoft.Backup.Admin/tokens/write" // also to see them: a list says who is let in
)

// needs are the parts of an address that have to exist.
type needs uint8

const (
	needsSubscription needs = 1 << iota
	needsGroup
	needsLocation
)

// route is one address with what can be done there.
type route struct {
	pattern    string
	segments   []string
	needs      needs
	anonymous  bool
	operations []method
}

// method is one method of a route. The table of them is the table of who may do what.
type method struct {
	name     string // as the definition has it, or as the OpenAPI document of /api/v1 has it
	verb     string
	versions versions // none where api-version has another meaning
	action   string   // empty where being recognized is enough
	write    bool
	handle   func(*exchange) error
}

const (
	provider = "subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Backup.Admin/backupLocations"
	own      = "api/v1/locations/{location}"
)

// routes returns the table.
func routes() []*route {
	get, put, patch, post, remove := http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete
	all := []*route{
		{pattern: "metadata/endpoints", anonymous: true, operations: []method{{"Metadata_Endpoints", get, 0, "", false, (*exchange).metadata}}},
		{pattern: "subscriptions", operations: []method{{"Subscriptions_List", get, 0, "", false, (*exchange).listSubscriptions}}},
		{pattern: "subscriptions/{subscription}", operations: []method{{"Subscriptions_Get", get, 0, "", false, (*exchange).getSubscription}}},
		{pattern: "subscriptions/{subscription}/locations", operations: []method{{"Subscriptions_ListLocations", get, 0, "", false, (*exchange).listRegions}}},

		{pattern: "providers/Microsoft.Backup.Admin/operations", operations: []method{{"Operations_List", get, everyVersion, actionOperations, false, (*exchange).listOperations}}},
		{pattern: provider, operations: []method{{"BackupLocations_List", get, everyVersion, actionLocations, false, (*exchange).listLocations}}},
		{pattern: provider + "/{location}", operations: []method{
			{"BackupLocations_Get", get, everyVersion, actionLocations, false, (*exchange).getLocation},
			{"BackupLocations_Update", put, everyVersion, actionWrite, true, (*exchange).putLocation},
			{"BackupLocations_Patch", patch, v2021, actionWrite, true, (*exchange).patchLocation},
		}},
		{pattern: provider + "/{location}/createBackup", operations: []method{{"BackupLocations_CreateBackup", post, everyVersion, actionCreate, true, (*exchange).createBackup}}},
		{pattern: provider + "/{location}/pruneExternalStore", operations: []method{{"BackupLocations_PruneExternalStore", post, since2018, actionPruneDryRun, true, (*exchange).prune}}},
		{pattern: provider + "/{location}/backups", operations: []method{{"Backups_List", get, everyVersion, actionBackups, false, (*exchange).listBackups}}},
		{pattern: provider + "/{location}/backups/{backup}", operations: []method{{"Backups_Get", get, everyVersion, actionBackups, false, (*exchange).getBackup}}},
		{pattern: provider + "/{location}/backups/{backup}/restore", operations: []method{{"Backups_Restore", post, everyVersion, actionRestore, true, (*exchange).restore}}},
		{pattern: provider + "/{location}/operationResults/{operation}", operations: []method{{"OperationResults_Get", get, everyVersion, actionResults, false, (*exchange).operationResult}}},

		{pattern: "api/v1/openapi.json", operations: []method{{"openapi", get, 0, "", false, (*exchange).openAPI}}},
		{pattern: "api/v1/locations", operations: []method{{"listLocations", get, 0, actionLocations, false, (*exchange).v1Locations}}},
		{pattern: "api/v1/tokens", operations: []method{
			{"listTokens", get, 0, actionTokens, false, (*exchange).v1Tokens},
			{"createToken", post, 0, actionTokens, true, (*exchange).v1CreateToken},
		}},
		{pattern: "api/v1/tokens/{token}", operations: []method{{"revokeToken", remove, 0, actionTokens, true, (*exchange).v1RevokeToken}}},
		{pattern: own + "/status", operations: []method{{"getStatus", get, 0, actionLocations, false, (*exchange).v1Status}}},
		{pattern: own + "/progress", operations: []method{{"getProgress", get, 0, actionProgress, false, (*exchange).v1Progress}}},
		{pattern: own + "/history", operations: []method{{"getHistory", get, 0, actionHistory, false, (*exchange).v1History}}},
		{pattern: own + "/alerts", operations: []method{{"listAlerts", get, 0, actionAlerts, false, (*exchange).v1Alerts}}},
		{pattern: own + "/alerts/acknowledge", operations: []method{{"acknowledgeAlert", post, 0, actionAcknowledge, true, (*exchange).v1Acknowledge}}},
		{pattern: own + "/backups", operations: []method{{"listBackups", get, 0, actionBackups, false, (*exchange).v1Backups}}},
		{pattern: own + "/backups/{backup}", operations: []method{{"getBackup", get, 0, actionBackups, false, (*exchange).v1Backup}}},
		{pattern: own + "/backups/{backup}/verify", operations: []method{{"verifyBackup", post, 0, actionVerify, true, (*exchange).v1Verify}}},
		{pattern: own + "/cancel", operations: []method{{"cancelBackup", post, 0, actionCancel, true, (*exchange).v1Cancel}}},
		{pattern: own + "/restores/current", operations: []method{{"getCurrentRestore", get, 0, actionProgress, false, (*exchange).v1Restoring}}},
		{pattern: own + "/restores/current/cancel", operations: []method{{"cancelRestore", post, 0, actionStopRestore, true, (*exchange).v1StopRestore}}},
		{pattern: own + "/restores", operations: []method{{"listRestores", get, 0, actionRestores, false, (*exchange).v1Restores}}},
		{pattern: own + "/restores/plans", operations: []method{{"planRestore", post, 0, actionPlan, true, (*exchange).v1Plan}}},
		{pattern: own + "/restores/plans/{plan}", operations: []method{{"getPlan", get, 0, actionPlan, false, (*exchange).v1ReadPlan}}},
		{pattern: own + "/restores/plans/{plan}/open", operations: []method{{"openPlan", post, 0, actionPlan, true, (*exchange).v1OpenPlan}}},
		{pattern: own + "/restores/plans/{plan}/apply", operations: []method{{"applyPlan", post, 0, actionApply, true, (*exchange).v1Apply}}},
		{pattern: own + "/restores/{plan}/undo", operations: []method{{"undoRestore", post, 0, actionApply, true, (*exchange).v1Undo}}},
		{pattern: own + "/diffs", operations: []method{{"compareBackups", post, 0, actionDiff, true, (*exchange).v1Compare}}},
		{pattern: own + "/diffs/{diff}", operations: []method{{"getDiff", get, 0, actionDiff, false, (*exchange).v1Diff}}},
		{pattern: own + "/drills", operations: []method{{"listDrills", get, 0, actionDrills, false, (*exchange).v1Drills}}},
		{pattern: own + "/drills/{drill}", operations: []method{{"getDrill", get, 0, actionDrills, false, (*exchange).v1Drill}}},
		{pattern: own + "/prune", operations: []method{{"prune", post, 0, actionPruneDryRun, true, (*exchange).v1Prune}}},
		{pattern: own + "/challenges", operations: []method{{"makeChallenges", post, 0, actionProveKey, true, (*exchange).v1Challenges}}},
		{pattern: own + "/challenges/answer", operations: []method{{"answerChallenge", post, 0, actionProveKey, true, (*exchange).v1Answer}}},
		{pattern: own + "/operations/{operation}", operations: []method{{"getOperation", get, 0, actionResults, false, (*exchange).v1Operation}}},
		{pattern: own + "/schedule", operations: []method{
			{"getSchedule", get, 0, actionLocations, false, (*exchange).v1Schedule},
			{"setSchedule", put, 0, actionWrite, true, (*exchange).v1SetSchedule},
		}},
	}
	for _, r := range all {
		r.segments = strings.Split(r.pattern, "/")
		for part, need := range map[string]needs{address.Subscription: needsSubscription, address.Group: needsGroup, address.Location: needsLocation} {
			if slices.Contains(r.segments, part) {
				r.needs |= need
			}
		}
	}
	return all
}

// find returns the route of a decoded path, nil when there is none.
func (h *Handler) find(path string) (*route, address.Params) {
	all, ok := address.Segments(path)
	if !ok {
		return nil, address.Params{}
	}
	for _, r := range h.routes {
		if p, ok := address.Match(r.segments, all); ok {
			return r, p
		}
	}
	return nil, address.Params{}
}

// Endpoint is one operation of the API, for tests and documentation of who may do what.
type Endpoint struct {
	Name, Method, Pattern, Action string
	Versions                      []string
	Anonymous, Write              bool
}

// Endpoints lists every operation.
func Endpoints() []Endpoint {
	var all []Endpoint
	for _, r := range routes() {
		for _, op := range r.operations {
			e := Endpoint{Name: op.name, Method: op.verb, Pattern: "/" + r.pattern, Action: op.action, Anonymous: r.anonymous, Write: op.write}
			for _, v := range supported {
				if v.bit&op.versions != 0 {
					e.Versions = append(e.Versions, v.name)
				}
			}
			all = append(all, e)
		}
	}
	return all
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
