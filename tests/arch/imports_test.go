package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "infrabackup/"

// pkg is what "go list" says of a package; names are relative to the module.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []pkg
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		all = append(all, p)
	}
	require.Greater(t, len(all), 20)
	return all
}

// rule forbids packages to import others. Both sides are prefixes of import paths.
type rule struct {
	from   []string // empty for all
	except []string
	to     []string
	why    string
}

const (
	temporal   = "go.temporal.io/"
	ldapClient = "github.com/go-ldap"
)

var rules = []rule{
	{from: []string{"internal/"}, to: []string{module + "workflows", module + "activities", module + "worker", module + "starter"},
		why: "internal is below the four top folders"},
	{from: []string{"workflows"}, to: []string{module + "activities", module + "internal/share/smb", module + "internal/share/dir", module + "internal/seal",
		module + "internal/archive", module + "internal/repository", module + "internal/spool", module + "internal/capture", module + "internal/collect", module + "internal/control"},
		why: "workflows are deterministic and meet activities in flow only"},
	{from: []string{"activities"}, to: []string{module + "workflows", module + "internal/control"}, why: "activities meet workflows in flow only"},
	{from: []string{"internal/backup", "internal/fault", "internal/secret", "internal/archive", "internal/seal", "internal/share", "internal/collect",
		"internal/settings", "internal/spool", "internal/repository", "internal/config", "internal/azure", "internal/consistency", "internal/privsep",
		"internal/schedule", "internal/retention", "internal/restore"}, to: []string{temporal},
		why: "domain code knows nothing of Temporal"},
	{from: []string{"internal/restore"}, to: []string{module + "internal/share", module + "internal/repository", module + "internal/operator", module + "internal/control", module + "internal/flow", module + "internal/settings"},
		why: "a restore does not know where backups lie, nor who asks for it"},
	{from: []string{"internal/restore/resources/shape"}, to: []string{module, "context", "net", "os"}, why: "what a PUT takes is in the definitions"},
	{from: []string{"internal/restore/resources"}, to: []string{module + "internal/restore/directory", module + "internal/restore/ca", module + "internal/restore/vault"}, why: "restorers do not import each other"},
	{from: []string{"internal/restore/vault"}, to: []string{module + "internal/restore/resources", module + "internal/restore/directory", module + "internal/restore/ca", module + "internal/collect/keyvault", "crypto/rand", "math/rand", "os", "log"},
		why: "restorers do not import each other, and no value is made up or shown"},
	{from: []string{"internal/restore/mapping"}, to: []string{module + "internal/restore", module + "internal/backup"}, why: "names are mapped without knowing of what"},
	{from: []string{"internal/restore/mapping", "internal/restore/residual"}, to: []string{"os", "net", "context", module + "internal/azure", module + "internal/collect"}, why: "names are replaced, and looked for, in what is handed in"},
	{from: []string{"internal/restore/residual"}, to: []string{module + "internal/backup", module + "internal/fault"}, why: "names of the source are found by rules of their own"},
	{from: []string{"internal/restore/ca"}, to: []string{module + "internal/restore/directory", "os/exec", "net", "math/rand"}, why: "a CA's folder is put back as it was: nothing is run, signed or fetched"},
	{from: []string{"internal/capture"}, to: []string{temporal, module + "internal/flow"}, why: "a capture does not know which step calls it"},
	{except: []string{"internal/collect/ad", "internal/restore/directory", "tests/"}, to: []string{ldapClient}, why: "what a directory answers is bounded and checked in collect/ad"},
	{except: []string{"internal/collect/ad", "internal/restore/directory", "tests/"}, to: []string{module + "internal/collect/ad/directory"}, why: "a directory is read by its collector and written by its restorer"},
	{from: []string{"internal/restore/directory"}, to: []string{module + "internal/restore/ca", module + "internal/restore/resources", module + "internal/azure", "os/exec", "math/rand", "crypto/rand"},
		why: "restorers do not import each other, and no password is made up for an account"},
	{from: []string{"internal/restore/directory/dnsrecord", "internal/restore/directory/identifier", "internal/restore/directory/sysvol", "internal/restore/directory/unwritable"}, to: []string{ldapClient, module + "internal/collect/ad/directory", "net", "os"},
		why: "what is restored to a directory is looked at without talking to one"},
	{from: []string{"internal/collect/ad/directory"}, to: []string{module + "internal/collect"}, why: "a directory is read without knowing what for"},
	{from: []string{"internal/collect/ad/record", "internal/collect/ad/ldiftest"}, to: []string{ldapClient, "github.com/go-asn1-ber"}, why: "reading a backup needs no directory"},
	{from: []string{"internal/collect/"}, to: []string{module + "internal/share"}, why: "collectors do not know where backups go"},
	{from: []string{"internal/collect/edge"}, to: []string{module + "internal/collect", "context", "net", "os"}, why: "what a document refers to is in the document"},
	{except: []string{"internal/share/smb"}, to: []string{"github.com/hirochachacha/go-smb2"}, why: "the guard around go-smb2 must not be passed by"},
	{except: []string{"internal/seal"}, to: []string{"filippo.io/age", "software.sslmate.com/src/go-pkcs12"}, why: "cryptography is in seal"},
	{except: []string{"internal/azure", "tests/"}, to: []string{"github.com/Azure/azure-sdk-for-go"}, why: "requests to a stamp are bounded and checked in azure"},
	{from: []string{"internal/rp"}, to: []string{temporal, module + "internal/temporal", module + "internal/repository", module + "internal/share/smb", module + "internal/config"},
		why: "the API reads the board and asks control"},
	{from: []string{"internal/apierror", "internal/rp/jsonbody", "internal/rp/wire"}, to: []string{module + "internal/control", module + "internal/board"},
		why: "the form of requests and answers knows nothing of what is behind them"},
	{from: []string{"internal/operations"}, to: []string{temporal, "net/http", module + "internal/board", module + "internal/rp", module + "internal/portal"}, why: "what is known of operations is not bound to who asks"},
	{from: []string{"internal/control", "internal/board"}, to: []string{"net/http", module + "internal/rp"}, why: "what an instance can do is not bound to HTTP"},
	{except: []string{"starter"}, to: []string{"github.com/spf13/cobra"}, why: "commands are in starter"},
	{from: []string{"tests/lab/stamp/provider", "tests/lab/stamp/definition"}, to: []string{"net/http/httptest", module + "tests/lab/stamp/inventory", module + "tests/lab/stamp/conformance", module + "internal"},
		why: "the rules of providers and the shapes of bodies are checked by conformance, and share nothing with what checks them or with the product"},
	{from: []string{"tests/lab/cluster"}, to: []string{module + "internal", module + "tests", temporal + "server"},
		why: "a cluster is set up by the files and words of deploy, and knows nothing of the product"},
	{except: []string{"tests/"}, to: []string{module + "tests/"}, why: "the product does not depend on its tests"},
	{from: []string{"starter", "internal/secret"}, except: []string{"starter/serving"}, to: []string{module + "internal/config"}, why: "the configuration files are those of worker and provider"},
	{from: []string{"internal/mount"}, to: []string{module + "internal/repository", module + "internal/config", temporal}, why: "mount connects to a share, and knows neither what lies there nor who asks"},
	{from: []string{"internal/operator/live"}, to: []string{module + "internal/repository", module + "internal/seal", "os", "net"}, why: "what is live is held in memory, and is no backup"},
	{except: []string{"worker", "internal/operator/restoring", "internal/sources", "tests/"}, to: []string{module + "internal/sources"}, why: "sources are opened where their configuration is read"},
	{from: []string{"internal/operator"}, except: []string{"internal/operator/restoring"}, to: []string{module + "internal/config"}, why: "what an operator does needs no configuration of the service; a target has a file"},
	{from: []string{"internal/operator"}, to: []string{module + "internal/control", module + "internal/temporal"},
		why: "an operator's own work needs no Temporal; what it needs of the service comes through an interface"},
	{from: []string{"internal/diff"}, to: []string{temporal, module + "internal/repository", module + "internal/share", module + "internal/seal", module + "internal/operator", module + "internal/archive",
		module + "internal/settings", module + "internal/config", module + "internal/control", module + "internal/flow", module + "internal/azure", "os", "net/http", "crypto/rand", "math/rand"},
		why: "what differs is found out from what is handed in, wherever that lies"},
	{from: []string{"internal/diff/result", "internal/diff/redact", "internal/diff/identity", "internal/diff/jsondiff"}, to: []string{module + "internal/collect"},
		why: "documents are compared, and results kept, without knowing of what service"},
	{except: []string{"internal/diff", "internal/restore/directory", "tests/"}, to: []string{module + "internal/diff/descriptor"}, why: "security descriptors are compared, and written"},
	{from: []string{"internal/restore"}, except: []string{"internal/restore/directory", "internal/restore/drill"}, to: []string{module + "internal/diff"}, why: "what is wanted is compared by its restorer"},
	{except: []string{"internal/diff", "internal/operator/comparing", "tests/"}, to: []string{module + "internal/diff/jsondiff", module + "internal/diff/directory",
		module + "internal/diff/authority", module + "internal/diff/document", module + "internal/diff/access"}, why: "a comparison is asked for as a whole"},
	{from: []string{"internal/ui"}, to: []string{module + "internal/operator", module + "internal/repository", module + "internal/share/smb", module + "internal/control", module + "internal/config"},
		why: "what is shown is handed over, and not fetched"},
	{from: []string{"internal/operator"}, to: []string{module + "internal/ui", "text/tabwriter"}, why: "what an operator does is not bound to a terminal"},
	{from: []string{"internal/schedule", "internal/retention"}, to: []string{module + "internal/flow", module + "internal/settings", module + "internal/share", module + "internal/repository",
		module + "internal/control", module + "internal/temporal", module + "internal/telemetry", module + "internal/schedule", module + "internal/retention", "os", "io", "net", "context", "log", "math/rand", "crypto/rand"},
		why: "when a backup is due, and which ones go, is decided from what is given in alone"},
	{from: []string{"internal/upkeep"}, except: []string{"internal/upkeep/slot", "internal/upkeep/ring"}, to: []string{temporal, "context", "os", "net"},
		why: "what is due is decided from what is given in; slot and ring talk to Temporal"},
	{from: []string{"internal/upkeep"}, to: []string{module + "internal/control", module + "internal/board", module + "internal/settings", module + "internal/share", module + "internal/temporal"},
		why: "upkeep is called, and knows neither the share nor who asks"},
	{from: []string{"internal/alert"}, except: []string{"internal/alert/webhook"}, to: []string{temporal, "net", "os", "context", module + "internal/control", module + "internal/flow",
		module + "internal/board", module + "internal/settings", module + "internal/schedule", module + "internal/alert"},
		why: "alerts are evaluated from plain facts, without I/O"},
	{from: []string{"internal/alert/webhook"}, to: []string{temporal, module + "internal/control", module + "internal/flow", module + "internal/board"}, why: "a notification is handed over"},
	{from: []string{"internal/board"}, to: []string{temporal, module + "internal/control", module + "internal/temporal", module + "internal/repository", module + "internal/share/", "net"},
		why: "what the board reads comes through an interface"},
	{from: []string{"internal/control/facts"}, to: []string{temporal, module + "internal/temporal", module + "internal/repository", module + "internal/share/"},
		why: "what is known of an instance is asked through a controller"},
	{from: []string{"internal/support"}, to: []string{temporal, module + "internal/control", module + "internal/flow", module + "internal/temporal", module + "internal/share", module + "internal/repository"},
		why: "what is packed is handed over"},
	{from: []string{"internal/control/runs"}, to: []string{module}, why: "what Temporal keeps is shown without knowing what it means"},
	{from: []string{"starter/alerting", "starter/scheduling", "starter/diagnosing"}, to: []string{temporal, module + "internal/temporal", module + "internal/repository", module + "internal/mount", module + "internal/share/"},
		why: "these commands ask a controller, and read neither Temporal nor a share themselves"},
	{from: []string{"internal/telemetry"}, to: []string{module + "internal/board", module + "internal/control", module + "internal/flow", module + "internal/provider"},
		why: "what is measured is handed over"},
	{from: []string{"internal/auth"}, to: []string{module + "internal/control", module + "internal/flow", module + "internal/settings", module + "internal/temporal", module + "internal/repository",
		module + "internal/board", module + "internal/rp", module + "internal/portal", module + "internal/web", temporal}, why: "who calls is decided without knowing what for"},
	{from: []string{"internal/web"}, to: []string{module + "internal/control", module + "internal/flow", module + "internal/settings", module + "internal/temporal", module + "internal/repository",
		module + "internal/board", module + "internal/rp", module + "internal/portal", temporal}, why: "the listener serves what it is handed"},
	{except: []string{"internal/auth", "tests/"}, to: []string{"github.com/coreos/go-oidc", "golang.org/x/oauth2"}, why: "tokens of issuers are verified, and issuers asked, in auth"},
	{from: []string{"internal/portal"}, to: []string{temporal, module + "internal/repository", module + "internal/share/smb", module + "internal/config", module + "internal/temporal", module + "internal/rp"},
		why: "the page shows what a board knows and hands changes to a control; it talks to no server"},
	{from: []string{"internal/recovery"}, to: []string{temporal, "net/http", "os", module + "internal/temporal", module + "internal/repository", module + "internal/share", module + "internal/config", module + "internal/rp", module + "internal/portal"},
		why: "who wants a restore, and where backups lie, is not known where the key is opened"},
	{from: []string{"internal/control", "internal/board"}, to: []string{"net/http", module + "internal/portal"}, why: "what is known and done of an instance is not bound to a page"},
	{from: []string{"internal/upstream", "internal/printable"}, to: []string{module}, why: "they import nothing of the product"},
	{from: []string{"internal/backup", "internal/fault", "internal/secret"}, to: []string{module + "internal/share", module + "internal/flow", module + "internal/settings"},
		why: "the vocabulary imports nothing of the product"},
}

// collectors read one service each.
var collectors = []string{"ad", "ca", "arm", "crp", "srp", "nrp", "keyvault", "rbac"}

func init() {
	for _, from := range collectors {
		r := rule{from: []string{"internal/collect/" + from}, why: "collectors do not import each other"}
		for _, to := range collectors {
			if to != from {
				r.to = append(r.to, module+"internal/collect/"+to)
			}
		}
		rules = append(rules, r)
	}
}

func under(path string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if path == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/") {
			return true
		}
	}
	return false
}

// violations returns what breaks a rule.
func (r rule) violations(all []pkg) []string {
	var found []string
	for _, p := range all {
		if (len(r.from) > 0 && !under(p.ImportPath, r.from)) || under(p.ImportPath, r.except) {
			continue
		}
		for _, imported := range p.Imports {
			if under(imported, r.to) {
				found = append(found, p.ImportPath+" imports "+imported+": "+r.why)
			}
		}
	}
	return found
}

// TestTheCampaignKnowsTheProductFromOutside: what it compares the product with is not the
// product's.
func TestTheCampaignKnowsTheProductFromOutside(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath != "tests/campaign" {
			continue
		}
		imports := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		require.NotEmpty(t, imports)
		for _, imported := range imports {
			if name, own := strings.CutPrefix(imported, module); own {
				require.True(t, strings.HasPrefix(name, "tests/"), imported)
			}
		}
		return
	}
	require.Fail(t, "there is no campaign")
}

func TestImports(t *testing.T) {
	all := packages(t)
	for _, r := range rules {
		require.Empty(t, r.violations(all))
	}
}

func TestImportRulesCanFail(t *testing.T) {
	for _, r := range rules {
		from := "some/package"
		if len(r.from) > 0 {
			from = strings.TrimSuffix(r.from[0], "/") + "/below"
		}
		bad := pkg{ImportPath: from, Imports: []string{strings.TrimSuffix(r.to[0], "/") + "/below"}}
		require.Len(t, r.violations([]pkg{bad}), 1, r.why)
		require.Empty(t, r.violations([]pkg{{ImportPath: from, Imports: []string{"fmt"}}}), r.why)
	}
}

// clocks are the functions of package time that ask the host's clock or wait for it.
var clocks = regexp.MustCompile(`\btime\.(Now|Since|Until|After|AfterFunc|Tick|NewTimer|NewTicker|Sleep)\(`)

// TestDecisionsHaveNoClock: what is due, what goes and what differs is decided by the times that
// are given in.
func TestDecisionsHaveNoClock(t *testing.T) {
	seen := 0
	for _, name := range tracked(t, "*.go", ":!*_test.go") {
		if under(name, []string{"internal/schedule", "internal/retention", "internal/alert", "internal/diff"}) && !under(name, []string{"internal/alert/webhook"}) {
			seen++
			require.NotRegexp(t, clocks, content(t, name), name)
		}
	}
	require.Greater(t, seen, 10)
	require.Regexp(t, clocks, "return time.Now()", "it can fail")
}

// linked lists the packages from outside the standard library that a program is made of.
func linked(t *testing.T, program string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./"+program)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// TestReadingABackupLinksNoDirectoryClient: what was captured of a directory is read without
// talking to one. What looks at a live one does, so the same look at it has to find the client.
func TestReadingABackupLinksNoDirectoryClient(t *testing.T) {
	client := func(name string) bool { return under(name, []string{ldapClient}) }
	for _, reading := range []string{"internal/operator/extract", "internal/operator/comparing", "internal/operator/live", "internal/diff", "internal/restore"} {
		require.False(t, slices.ContainsFunc(linked(t, reading), client), reading)
	}
	require.True(t, slices.ContainsFunc(linked(t, "worker"), client), "it can fail")
}

// TestEdgesLinkNoClient: what a backup's documents refer to is asked by commands that never
// talk to a stamp. Collectors do, so the same look at them has to find the client.
func TestEdgesLinkNoClient(t *testing.T) {
	client := func(name string) bool {
		return name == module+"internal/azure" || under(name, []string{"github.com/Azure/", ldapClient})
	}
	for _, free := range []string{"internal/collect/edge", "internal/collect/ad/record"} {
		require.False(t, slices.ContainsFunc(linked(t, free), client), free)
	}
	require.True(t, slices.ContainsFunc(linked(t, "internal/collect/nrp"), client), "it can fail")
}

// dialling are the functions of the SDK that make clients.
var dialling = regexp.MustCompile(`\bclient\.(Dial|DialContext|NewClient|NewLazyClient|NewClientFromExisting\w*)\(`)

// TestClientsAreDialledInOnePlace: a client that package temporal has not made would take
// payloads in clear.
func TestClientsAreDialledInOnePlace(t *testing.T) {
	out, err := exec.Command("git", "-C", "../..", "grep", "-l", "go.temporal.io/sdk/client", "--", "*.go", ":!*_test.go", ":!tests/").Output()
	require.NoError(t, err)
	files := strings.Fields(string(out))
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile("../../" + file)
		require.NoError(t, err)
		require.True(t, !dialling.Match(text) || strings.HasPrefix(file, "internal/temporal/"), "%s dials", file)
	}
}
