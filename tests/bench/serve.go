package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"infrabackup/tests/lab"
)

const (
	readsPerSecond = 1000
	readers        = 32 // connections that are kept
	maxReadMillis  = 100
	maxSlower      = 1.1 // of a backup while the API is read
	idleReads      = 10 * time.Second
)

// measureServe reads the list of backups 1,000 times a second over TLS, alone and while a
// backup runs, and takes backups with and without these readers, in turn.
func (b *bench) measureServe(ctx context.Context, resources int) (err error) {
	stack, err := lab.StartStack(ctx, lab.Options{Dir: b.dir, Seed: 7, ADUsers: 300, Resources: resources, Out: os.Stderr}, b.bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Stop(ctx)) }()
	env := stack.Env()
	command := func(args ...string) error {
		cmd := exec.CommandContext(ctx, filepath.Join(b.bin, "infrabackup"), args...)
		cmd.Env = os.Environ()
		for key, value := range env {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("infrabackup %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := command("enable", "--share", env["LAB_SHARE"], "--username", env["LAB_SHARE_USER"], "--password-file", env["LAB_SHARE_PASSWORD_FILE"], "--recipient", env["LAB_RECIPIENT"]); err != nil {
		return err
	}
	reader, err := newAPIReader(env)
	if err != nil {
		return err
	}
	backup := func(context.Context, int) (figure, error) {
		began := time.Now()
		err := command("backup", "start", "--wait")
		return figure{wall: time.Since(began)}, err
	}
	if _, err := backup(ctx, 0); err != nil { // something to list, and caches that are warm
		return err
	}
	alone, err := reader.during(ctx, func(ctx context.Context) error {
		select {
		case <-ctx.Done():
		case <-time.After(idleReads):
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	fmt.Printf("\n## The API, read %d times a second over TLS on %d kept connections\n\nalone: %s\n", readsPerSecond, readers, alone)
	var worst []time.Duration
	read := contender{name: "a backup while the API is read", run: func(ctx context.Context, n int) (f figure, err error) {
		latencies, err := reader.during(ctx, func(ctx context.Context) error {
			f, err = backup(ctx, n)
			return err
		})
		if err == nil {
			fmt.Fprintf(os.Stderr, "bench: while a backup ran: %s\n", latencies)
			worst = append(worst, latencies.at(99))
		}
		return f, err
	}}
	quiet := contender{name: "a backup alone", run: backup}
	if _, err := b.compare(ctx, "A backup while the API is read", 0, []contender{read, quiet.atMost(maxSlower)}); err != nil {
		return err
	}
	slices.Sort(worst)
	b.goals = append(b.goals, goal{"99 of 100 reads while a backup runs, median of the runs", float64(worst[len(worst)/2].Microseconds()) / 1000, "ms", "", 0, maxReadMillis})
	return nil
}

// latencies are how long reads took, shortest first.
type latencies []time.Duration

func (l latencies) at(percent float64) time.Duration {
	return l[min(len(l)-1, int(float64(len(l))*percent/100))]
}

// String names the usual percentiles.
func (l latencies) String() string {
	return fmt.Sprintf("%d reads, p50 %s, p99 %s, p99.9 %s, most %s", len(l), l.at(50).Round(10*time.Microsecond), l.at(99).Round(10*time.Microsecond),
		l.at(99.9).Round(10*time.Microsecond), l[len(l)-1].Round(10*time.Microsecond))
}

// apiReader reads one address with one token.
type apiReader struct {
	client  *http.Client
	address string
	token   string
}

func newAPIReader(env map[string]string) (*apiReader, error) {
	ca, err := os.ReadFile(env["LAB_SERVE_CA"])
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(env["LAB_SERVE_TOKEN_FILE"])
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, MaxIdleConnsPerHost: readers, MaxConnsPerHost: readers,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // a connection for each reader, not one for all
	}
	return &apiReader{
		client: &http.Client{Transport: transport, Timeout: 30 * time.Second}, token: strings.TrimSpace(string(token)),
		address: env["LAB_SERVE_URL"] + "/subscriptions/" + env["LAB_SERVE_SUBSCRIPTION"] + "/resourceGroups/System.local/providers/Microsoft.Backup.Admin/backupLocations/local/backups?api-version=2018-09-01",
	}, nil
}

// during reads at a fixed rate until work is done. How long a read took counts from when
// it was due, so that a slow one hides none behind it.
func (r *apiReader) during(ctx context.Context, work func(context.Context) error) (latencies, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	due := make(chan time.Time, readsPerSecond)
	var mu sync.Mutex
	var all latencies
	var failed error
	var group sync.WaitGroup
	for range readers {
		group.Go(func() {
			for at := range due {
				err := r.read(ctx)
				took := time.Since(at)
				mu.Lock()
				all, failed = append(all, took), cmp.Or(failed, err)
				mu.Unlock()
			}
		})
	}
	group.Go(func() {
		defer close(due)
		ticker := time.NewTicker(time.Second / readsPerSecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case at := <-ticker.C:
				select {
				case due <- at:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	err := work(ctx)
	stop()
	group.Wait()
	if errors.Is(failed, context.Canceled) { // those that were on their way at the end
		failed = nil
	}
	slices.Sort(all)
	if len(all) == 0 && err == nil {
		err = errors.New("nothing was read")
	}
	return all, errors.Join(err, failed)
}

func (r *apiReader) read(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	answer, err := r.client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("the API answered %s", answer.Status))
	}
	return errors.Join(err, answer.Body.Close())
}
