package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"infrabackup/tests/lab/distance"
)

const (
	// farAddress is where the share of another datacenter seems to be.
	farAddress = "127.0.0.61"
	// smallData is about what a small stamp's backup has.
	smallData = 1_800_000
)

// roundTrips are those to the file server: the same host, the same site, another
// datacenter, another continent.
var roundTrips = []time.Duration{0, 2 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond}

// measureFarAway compares small backups to a share at several distances with smbclient,
// which writes one file and reads nothing back.
func (b *bench) measureFarAway(ctx context.Context) error {
	file := filepath.Join(b.dir, "small")
	if err := writeRandom(file, smallData); err != nil {
		return err
	}
	for _, roundTrip := range roundTrips {
		if err := b.at(ctx, roundTrip, file); err != nil {
			return fmt.Errorf("%s away: %w", roundTrip, err)
		}
	}
	return nil
}

func (b *bench) at(ctx context.Context, roundTrip time.Duration, file string) (err error) {
	parts := strings.Split(b.lab.FileServer().UNC(), `\`)
	link, err := distance.Open(distance.Options{Listen: farAddress + ":445", Target: parts[2] + ":445", RoundTrip: roundTrip})
	if err != nil {
		return err
	}
	parts[2] = farAddress
	b.path = strings.Join(parts, `\`)
	defer func() { b.path = ""; err = errors.Join(err, link.Close()) }()

	own := b.product(file)
	var requests []int64
	counted := contender{name: own.name, run: func(ctx context.Context, n int) (figure, error) {
		f, err := own.run(ctx, n)
		requests = append(requests, f.requests)
		return f, err
	}}
	b.link = link
	defer func() { b.link = nil }()
	title := fmt.Sprintf("A small backup, the share %s away", roundTrip)
	err = b.compare(ctx, title, smallData, []contender{
		counted,
		b.shell("smbclient put, encrypted session", "smbclient", fmt.Sprintf(`smbclient %s -m SMB3 --client-protection=encrypt -c 'put %s peer'`, b.unc(), file)),
	})
	if err != nil {
		return err
	}
	most := requests[0]
	for _, n := range requests {
		most = max(most, n)
	}
	fmt.Printf("\nThe backup asked the share %d times at most.\n", most)
	b.goals = append(b.goals, goal{title, float64(most), "requests", "", 0, 200})
	switch roundTrip {
	case 0:
		b.goals = append(b.goals, goal{title, b.last.Seconds(), "s", "", 0, 2})
	case 25 * time.Millisecond:
		b.goals = append(b.goals, goal{title, b.last.Seconds(), "s", "", 0, 6})
	}
	return nil
}
