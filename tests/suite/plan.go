package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// module is what import paths begin with.
const module = "infrabackup/"

// group is one "go test" of some packages with the same flags.
type group struct {
	name     string
	packages []string // relative to the module
	race     bool
	tests    string // a pattern of tests, empty for all
	flags    []string
}

// streams run side by side; the groups of one run after the
// other. Which group is in which stream makes them end at about the same time.
type streams [][]group

// waiting are the packages whose tests mostly wait for servers, timeouts and worker
// processes.
var waiting = []string{"tests/e2e"}

// serving are packages without unit tests of the product: their tests talk to servers,
// or are about those. The quick tier leaves them and the waiting ones out.
var serving = []string{"tests/campaign", "tests/cluster", "tests/services", "tests/lab", "tests/lab/stamp", "tests/lab/stamp/conformance", "tests/lab/stamp/definition", "tests/lab/stamp/inventory", "tests/lab/stamp/provider"}

// meeting are the packages in which goroutines of the product meet. The race detector
// costs a factor of four in time, so it watches these.
var meeting = []string{
	"activities", "internal/control", "internal/privsep",
	"internal/spool", "internal/ui/progress", "internal/ui/prompt", "starter", "worker", "workflows",
}

// meetingInSoak are those as well, but the detector watches them in the soak only: what they
// are linked with takes minutes to compile for it.
var meetingInSoak = []string{"internal/auth", "internal/board", "internal/portal", "internal/rp", "internal/web"}

// partly are packages in which goroutines of the product meet too, and most of whose
// time goes into what one goroutine does: large answers, every changed file, ciphers. All
// their tests run without the detector, and those that have goroutines meet again with it.
var partly = map[string][]string{
	"internal/azure":   {"TestTurns", "TestAllowances", "TestOneRefusal", "TestPatience", "TestTokenElsewhere", "TestCredentials", "TestExpiredToken", "TestLists", "TestVaults", "TestListsOfManyShapes"},
	"internal/capture": {"TestWhatIsStillSentIsAwaited", "TestWhatASenderDidNot$", "TestACaptureThatFailsSoon", "TestCaptureGivesUp", "TestOnlyWorkFiles"},
	"internal/collect/ad": {"TestConformance", "TestNamingContextsTogether", "TestOrderDoesNotDependOnSpeed", "TestOneFailureEndsAll", "TestSinkFailsWhileOthersRead", "TestFewerConnections",
		"TestReadAheadIsBounded", "TestSchemaIsReadOnce", "TestSYSVOLBeside", "TestSYSVOLLarger", "TestSYSVOLAnd", "TestChangesDuringCapture"},
	"internal/collect/keyvault":  {"TestContents", "TestContract", "TestEveryKind", "TestChanges", "TestVanishingObject", "TestRestlessVault", "TestVaultThatGoes", "TestMissingPermission", "TestCancelled"},
	"internal/collect/resource":  {"TestRefusedLists", "TestWhatACheckMisses", "TestOperatorSubscriptions", "TestUserSubscription", "TestPageWithNothingNew"},
	"internal/repository":        {"TestListReports", "TestListBounds", "TestClearingWaits"},
	"internal/repository/audit":  {"TestWorkDuringAComparison", "TestAuditReports", "TestAdoptAShare", "TestVerifyAllLists", "TestHugeFiles", "TestManyForeignEntries"},
	"internal/repository/folder": {"TestOneOfManyCreates"},
	"internal/repository/rekey":  {"TestReplaceKeyInManyBackups"},
	"internal/repository/ledger": {"TestTwoAppendAtOnce", "TestWriters"},
	"internal/share/conformance": {"TestRunKeeps", "TestRunCleansUp"},
	"internal/share/smb":         {"TestPool", "TestTree", "TestSmallFiles", "TestClose", "TestStalledServer", "TestCancelStalledTransfer", "TestInterim", "TestLoginIsNotRepeatedAtOnce", "TestConformance$/^(concurrency|cancel|closed)$"},
}

// addressed are packages whose servers have the same addresses in all their tests, so that
// they run in one stream only.
var addressed = []string{"internal/collect/ad", "internal/share/smb"}

// changing are packages whose tests change the lab's domain, which those of collect/ad read:
// they come after these, in the same stream.
var changing = []string{"internal/restore/directory"}

// together is how many tests of a waiting package run at once.
const together = 10

// plan says what a tier runs.
func plan(tier string, all []string) (streams, error) {
	var races, rest, units []string
	for _, p := range all {
		if !slices.Contains(waiting, p) && !slices.Contains(serving, p) {
			units = append(units, p)
		}
		switch {
		case slices.Contains(waiting, p), slices.Contains(serving, p), partly[p] != nil, tier == "test" && slices.Contains(changing, p):
		case slices.Contains(meeting, p), tier == "soak" && slices.Contains(meetingInSoak, p):
			races = append(races, p)
		default:
			rest = append(rest, p)
		}
	}
	for _, p := range slices.Concat(waiting, serving, meeting, meetingInSoak, changing, slices.Collect(maps.Keys(partly))) {
		if !slices.Contains(all, p) {
			return nil, fmt.Errorf("the plan names package %s, which does not exist", p)
		}
	}
	again := []group{}
	for _, p := range slices.Sorted(maps.Keys(partly)) {
		again = append(again, group{name: "races in " + p, packages: []string{p}, race: true, tests: "^" + strings.Join(partly[p], "|^"), flags: []string{"-timeout=20m"}})
	}
	plain := slices.Concat(slices.Sorted(maps.Keys(partly)), changing)
	e2e := group{name: "servers", packages: waiting, flags: []string{"-timeout=40m", fmt.Sprintf("-parallel=%d", together)}}
	switch tier {
	case "quick":
		return streams{{{name: "units", packages: units, flags: []string{"-short", "-timeout=5m"}}}}, nil
	case "test":
		one := []string{"-timeout=20m", "-p=1"}
		all := streams{
			{e2e, {name: "stand-ins", packages: serving, flags: one}},
			{{name: "races", packages: races, race: true, flags: one}, {name: "rest", packages: rest, flags: one}},
			{{name: "plain", packages: plain, flags: one}},
		}
		for i, g := range again {
			to := i % 2 * 2
			if slices.Contains(addressed, g.packages[0]) {
				to = 2
			}
			all[to] = append(all[to], g)
		}
		return all, nil
	case "soak":
		e2e.flags[0] = "-timeout=24h"
		return streams{
			{e2e},
			{
				{name: "races", packages: slices.Concat(races, slices.Sorted(maps.Keys(partly))), race: true, flags: []string{"-timeout=24h", "-p=1"}},
				{name: "rest", packages: slices.Concat(serving, rest), flags: []string{"-timeout=24h", "-p=1"}},
			},
		}, nil
	}
	return nil, fmt.Errorf("there is no tier %q", tier)
}

// arguments are those of the go command. The product is built with -trimpath, so that
// what was compiled for it serves its tests, too; make lint and make quick run vet. What
// only a debugger reads is left out, since linking it takes half of the linker's time.
func (g group) arguments() []string {
	args := []string{"test", "-json", "-count=1", "-trimpath", "-vet=off", "-ldflags=-s -w"}
	if g.race {
		args = append(args, "-race")
	}
	if g.tests != "" {
		args = append(args, "-run="+g.tests)
	}
	args = append(args, g.flags...)
	for _, p := range g.packages {
		args = append(args, "./"+p)
	}
	return args
}

// environment is what the go command needs besides: the race detector is linked with C.
func (g group) environment() []string {
	if g.race {
		return []string{"CGO_ENABLED=1"}
	}
	return []string{"CGO_ENABLED=0"}
}

// relative takes the module away from an import path.
func relative(importPath string) string { return strings.TrimPrefix(importPath, module) }
