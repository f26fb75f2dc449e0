package diff_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/result"
	"infrabackup/tests/tier"
)

// Bounds of a comparison of 100,000 items a side, all of which differ.
const (
	boundTime   = 30 * time.Second
	boundMemory = 512 << 20
)

// onDisk is a source whose catalog and parts are files, so that what a comparison needs is not
// hidden behind what the test holds.
type onDisk struct {
	dir  string
	name string
}

// write makes a side of n items. Of those before equal, both sides have the same.
func write(t testing.TB, name string, n, equal int, version byte) *onDisk {
	t.Helper()
	s := &onDisk{dir: t.TempDir(), name: name}
	file, err := os.Create(filepath.Join(s.dir, "catalog"))
	require.NoError(t, err)
	buffered := bufio.NewWriter(file)
	catalog := archive.NewCatalogWriter(buffered)
	for _, service := range []backup.Service{backup.AD, backup.NRP, backup.RBAC} {
		part, err := os.Create(s.part(service))
		require.NoError(t, err)
		out := bufio.NewWriter(part)
		w, err := archive.NewWriter(out, service, catalog.Add)
		require.NoError(t, err)
		share := map[backup.Service]int{backup.AD: n * 4 / 10, backup.NRP: n * 5 / 10, backup.RBAC: n / 10}[service]
		for i := range share {
			v := version
			if i < equal*share/n {
				v = 0
			}
			one := sample(service, i, share, v)
			require.NoError(t, w.Record(backup.Item{Kind: one.kind, ID: one.id, Name: one.name, Aliases: one.aliases}, one.data))
		}
		_, err = w.Close()
		require.NoError(t, err)
		require.NoError(t, out.Flush())
		require.NoError(t, part.Close())
	}
	require.NoError(t, catalog.Close())
	require.NoError(t, buffered.Flush())
	require.NoError(t, file.Close())
	return s
}

func (s *onDisk) part(service backup.Service) string { return filepath.Join(s.dir, string(service)) }

// text is as many letters that do not compress well.
func text(seed, n int) string {
	r := mathrand.New(mathrand.NewPCG(uint64(seed), 1))
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(strconv.FormatUint(r.Uint64(), 36))
	}
	return b.String()[:n]
}

// sample is an item of about 1.6 KB. Another version has one attribute or member that counts
// and some that do not.
func sample(service backup.Service, i, of int, version byte) thing {
	switch service {
	case backup.AD:
		if i%100 == 0 { // a group of the users behind it, and one more in the other version
			g := entry{number: i, dn: fmt.Sprintf("CN=Group %d,%s", i, domain), class: "group", rid: uint32(10_000 + i), values: map[string][]string{"groupType": {"-2147483646"}}, links: map[string][][2]string{}}
			members := make([]int, 0, 101)
			for m := i + 1; m < min(i+100, of) && len(members) < 98+int(version); m++ {
				members = append(members, m)
			}
			return g.link("member", members...).thing()
		}
		e := user(i).set("info", text(i, 500)).set("uSNChanged", fmt.Sprint(i, version)).set("whenChanged", fmt.Sprint(version)).set("title", fmt.Sprint("title ", version))
		e.values["nTSecurityDescriptor"] = []string{sd(uint16(version), ace(0, 0, 0x10, 1), ace(1, 0, 0x20, 2), ace(0, 0, 3, 512), ace(0, 0x10, 3, 513), ace(0, 0x10, 7, 514))}
		return e.thing()
	case backup.RBAC:
		id := fmt.Sprintf("%s/resourceGroups/g%d/providers/Microsoft.Authorization/roleAssignments/%08d", sub, i, i)
		return document(service, "role-assignment", id, object{"id": id, "properties": object{
			"scope": fmt.Sprintf("%s/resourceGroups/g%d", sub, i), "principalId": fmt.Sprintf("S-1-5-21-1-2-3-%d", 10_000+i*10/100*100), "roleDefinitionId": sub + "/roleDefinitions/r" + fmt.Sprint(i%7, version%2),
			"createdOn": fmt.Sprint(version),
		}})
	}
	id := fmt.Sprintf("%s/resourceGroups/g%d/providers/Microsoft.Network/loadBalancers/lb-%08d", sub, i%100, i)
	rules := []any{}
	for j := range 5 {
		rules = append(rules, object{"name": fmt.Sprint("rule", j), "id": fmt.Sprint(id, "/rules/", j), "etag": fmt.Sprint(version), "properties": object{
			"protocol": "Tcp", "frontendPort": 80 + j, "backendPort": 8080 + j, "provisioningState": "Succeeded", "frontendIPConfiguration": object{"id": id + "/frontendIPConfigurations/f"},
		}})
	}
	return document(service, "load-balancer", id, object{"id": id, "name": "lb", "etag": fmt.Sprint(version), "location": "local", "tags": object{"owner": text(i, 100), "version": fmt.Sprint(version)},
		"properties": object{"resourceGuid": text(i, 30), "loadBalancingRules": rules, "provisioningState": "Succeeded"}})
}

// Side implements diff.Source.
func (s *onDisk) Side() result.Side { return result.Side{Name: s.name} }

// Services implements diff.Source.
func (s *onDisk) Services() []diff.Service {
	return []diff.Service{{Service: backup.AD}, {Service: backup.NRP}, {Service: backup.RBAC}}
}

// Catalog implements diff.Source.
func (s *onDisk) Catalog(_ context.Context, fn func(backup.CatalogEntry) error) error {
	file, err := os.Open(filepath.Join(s.dir, "catalog"))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	return archive.ReadCatalog(file, fn)
}

// Open implements diff.Source.
func (s *onDisk) Open(_ context.Context, service backup.Service) (diff.Part, error) {
	file, err := os.Open(s.part(service))
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	r, err := archive.NewReader(file, info.Size())
	if err != nil {
		return nil, err
	}
	return &filePart{r, file}, nil
}

type filePart struct {
	*archive.Reader
	file *os.File
}

// Close closes the file as well.
func (p *filePart) Close() error {
	_ = p.Reader.Close() // it frees a decoder
	return p.file.Close()
}

// measured is what a comparison needed.
type measured struct {
	took time.Duration // by the clock
	work time.Duration // of processors, which others on the machine do not change
	peak uint64        // bytes
}

func (m measured) String() string {
	return fmt.Sprintf("%s, %s of processors, %d MiB at most", m.took.Round(time.Millisecond), m.work.Round(time.Millisecond), m.peak>>20)
}

// measure compares two sides, and says what that needed.
func measure(t testing.TB, a, b *onDisk) (r *result.Report, m measured) {
	t.Helper()
	debug.FreeOSMemory()
	before := heap()
	var highest atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				highest.Store(max(highest.Load(), heap()))
			}
		}
	}()
	began, worked := time.Now(), processors(t)
	r, err := diff.Compare(t.Context(), a, b, diff.Options{Random: rand.Reader})
	m.took, m.work = time.Since(began), processors(t)-worked
	close(stop)
	<-stopped
	require.NoError(t, err)
	m.peak = max(highest.Load(), heap()) - before
	return r, m
}

// processors is how long this process has used processors.
func processors(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkCompare holds 100,000 items a side to their bounds: go test -bench Compare
// ./internal/diff. It prints what it measured.
func BenchmarkCompare(b *testing.B) {
	const n = 100_000
	for _, c := range []struct {
		name  string
		equal int
	}{{"all differ", 0}, {"one in a hundred differs", n * 99 / 100}, {"equal", n}} {
		b.Run(c.name, func(b *testing.B) {
			x, y := write(b, "A", n, c.equal, 0), write(b, "B", n, c.equal, 1)
			for b.Loop() {
				r, m := measure(b, x, y)
				found := int64(0)
				for _, s := range r.Services {
					found += s.Changed + s.Added + s.Removed + s.Moved
				}
				b.Logf("%d items a side, %d differ, %d gained or lost access: %s", n, found, r.Access.Gained+r.Access.Lost, m)
				b.ReportMetric(m.work.Seconds(), "cpu-s")
				b.ReportMetric(float64(m.peak>>20), "MiB")
				require.Less(b, min(m.took, m.work), boundTime)
				require.Less(b, m.peak, uint64(boundMemory))
			}
		})
	}
}

// TestMemory: what a comparison needs does not grow with the size of its parts, and only by
// little with the number of items.
func TestMemory(t *testing.T) {
	tier.Weighs(t)
	const n = 20_000
	a, b := write(t, "A", n, 0, 0), write(t, "B", n, 0, 1)
	r, m := measure(t, a, b)
	t.Logf("%d items a side: %s", n, m)
	require.EqualValues(t, n*4/10, r.Services[0].Changed)
	require.Less(t, m.peak, uint64(256<<20))
}
