package services

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/controlplane"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// stampServices are the services of a stamp, in capture order.
var stampServices = []backup.Service{backup.ARM, backup.CRP, backup.SRP, backup.NRP, backup.KeyVault, backup.RBAC}

// world is a stamp with collectors for it.
type world struct {
	stamp      *stamp.Stamp
	contents   *inventory.Stamp
	config     azure.Config
	client     *azure.Stamp
	collectors map[backup.Service]collect.Collector
}

// options say what a world is like.
type options struct {
	resources  int // 300 when zero
	dangling   int
	pageSize   int
	versions   map[string][]string
	unreadable resource.Unreadable
}

var generated sync.Map // contents by what they were made from: making large ones takes seconds

func contentsOf(t testing.TB, port int, o options) *inventory.Stamp {
	t.Helper()
	key := fmt.Sprint(port, o.resources, o.dangling)
	if known, ok := generated.Load(key); ok {
		return known.(*inventory.Stamp)
	}
	contents, err := inventory.Generate(inventory.Options{Seed: 7, Resources: o.resources, Domain: "local.azurestack.test", VaultPort: port, Dangling: o.dangling})
	require.NoError(t, err)
	generated.Store(key, contents)
	return contents
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	if o.resources == 0 {
		o.resources = 300
	}
	port, err := lab.FreePort()
	require.NoError(t, err)
	w := &world{contents: contentsOf(t, port, o)}
	versions := map[string][]string{}
	for fullType, offered := range stamp.UncommonTypes() {
		versions[fullType] = offered
	}
	for fullType, offered := range o.versions {
		versions[fullType] = offered
	}
	// What is there at the start was made long ago.
	var started atomic.Bool
	w.stamp, err = stamp.Start(stamp.Options{
		Contents: w.contents, PageSize: o.pageSize, Versions: versions, Listen: fmt.Sprintf("127.0.0.1:%d", port),
		Now: func() time.Time {
			if started.Load() {
				return time.Now()
			}
			return time.Now().Add(-24 * time.Hour)
		},
	})
	require.NoError(t, err)
	started.Store(true)
	t.Cleanup(func() { require.NoError(t, w.stamp.Close()) })
	w.config = azure.Config{
		TenantURL: w.stamp.TenantURL(), AdminURL: w.stamp.AdminURL(), Authority: w.stamp.AuthorityURL(),
		ClientID: w.stamp.ClientID(), ClientSecret: secret.New(w.stamp.ClientSecret()),
		CACertificates: w.stamp.CA(), Resolver: w.stamp.Resolver(),
		RetryDelay: time.Millisecond, TryTimeout: 5 * time.Second,
	}
	w.open(t, o.unreadable)
	return w
}

// open makes new collectors, which know no tokens yet.
func (w *world) open(t testing.TB, unreadable resource.Unreadable) {
	s, err := azure.New(w.config)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	w.client, w.collectors = s, map[backup.Service]collect.Collector{}
	for _, c := range controlplane.Collectors(s, resource.Options{Unreadable: unreadable, Now: time.Now}) {
		w.collectors[c.Service()] = c
	}
}

// capture collects a service and returns what the sink saw.
func (w *world) capture(t testing.TB, service backup.Service) (*collecttest.Recorder, error) {
	t.Helper()
	r := &collecttest.Recorder{}
	_, err := w.collectors[service].Collect(t.Context(), r)
	require.Zero(t, w.client.Remembered(), "whatever ends a capture, nothing is remembered of it")
	return r, err
}

// digest names a document by its endpoint and bytes.
type digest [sha256.Size]byte

func digestOf(endpoint string, document []byte) digest {
	return sha256.Sum256(append([]byte(endpoint+"\n"), document...))
}

// read opens the envelope of a record by its own reading of FORMAT.md.
func read(t testing.TB, record []byte) (endpoint string, document []byte) {
	t.Helper()
	var e struct {
		Endpoint       string          `json:"endpoint"`
		Document       json.RawMessage `json:"document"`
		DocumentBase64 string          `json:"documentBase64"`
	}
	require.NoError(t, json.Unmarshal(record, &e))
	if e.DocumentBase64 != "" {
		decoded, err := base64.StdEncoding.DecodeString(e.DocumentBase64)
		require.NoError(t, err)
		return e.Endpoint, decoded
	}
	return e.Endpoint, e.Document
}

// ownerOf is the service that has to capture a document of the stand-in, by its type
// and not by the product's tables.
func ownerOf(fullType string) backup.Service {
	lower := strings.ToLower(fullType)
	namespace, _, _ := strings.Cut(lower, "/")
	switch strings.TrimSuffix(namespace, ".admin") {
	case "microsoft.compute":
		return backup.CRP
	case "microsoft.storage":
		return backup.SRP
	case "microsoft.network":
		return backup.NRP
	case "microsoft.keyvault":
		return backup.KeyVault
	case "microsoft.authorization":
		if strings.HasPrefix(lower, "microsoft.authorization/role") {
			return backup.RBAC
		}
	}
	return backup.ARM
}

// requireComplete compares what was captured of a service with what the stamp holds
// now.
func (w *world) requireComplete(t testing.TB, service backup.Service, calls []collecttest.Call) {
	t.Helper()
	got := map[digest]bool{}
	for _, c := range calls {
		if c.Document != nil {
			endpoint, document := read(t, c.Document)
			got[digestOf(endpoint, document)] = true
		}
	}
	held, missing := 0, []string{}
	for d := range w.stamp.Documents() {
		if ownerOf(d.Type) != service {
			continue
		}
		held++
		// Names of tags are counted when they are asked for: the store's documents are
		// not what the stamp answers.
		if !got[digestOf(string(d.Endpoint), d.Body)] && !strings.EqualFold(d.Type, "Microsoft.Resources/tagNames") {
			missing = append(missing, d.ID)
		}
	}
	require.Empty(t, missing[:min(len(missing), 5)], "%d of %d documents are missing", len(missing), held)
	if service == backup.KeyVault {
		w.requireVaults(t, got)
	}
}

// requireVaults compares the contents of vaults. Versions that a vault gives to nobody
// are gaps. A vault that was deleted meanwhile is one as a whole: whether its contents
// were read before depends on which of the requests at once came first.
func (w *world) requireVaults(t testing.TB, got map[digest]bool) {
	now := time.Now().Unix()
	vaults := map[string]bool{}
	for d := range w.stamp.Documents() {
		if strings.EqualFold(d.Type, "Microsoft.KeyVault/vaults") {
			vaults[strings.ToLower(d.ID[strings.LastIndexByte(d.ID, '/')+1:])] = true
		}
	}
	for o := range w.stamp.VaultObjects() {
		if !vaults[strings.ToLower(o.Vault)] {
			continue
		}
		for _, v := range o.Versions {
			secret := o.Kind == "secrets"
			if secret && (!v.Enabled || (v.Expires > 0 && v.Expires < now) || v.NotBefore > now) {
				continue
			}
			require.True(t, got[digestOf("vault", v.Body)], "%s/%s/%s version %s", o.Vault, o.Kind, o.Name, v.Version)
		}
	}
}
