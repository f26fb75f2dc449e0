package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

const (
	// farAddress is where the share of another datacenter seems to be.
	farAddress = "127.0.0.61"
	// smallData is about what a small stamp's backup has.
	smallData = 1_800_000
	// maxBackupRequests is what a small backup may cost the share.
	maxBackupRequests = 200
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

func (b *bench) at(ctx context.Context, roundTrip time.Duration, file string) error {
	title := fmt.Sprintf("A small backup, the share %s away", roundTrip)
	var all []outcome
	err := b.linked(farAddress, roundTrip, func() (err error) {
		all, err = b.compare(ctx, title, smallData, []contender{
			b.product(file),
			b.shell("smbclient put, encrypted session", "smbclient", fmt.Sprintf(`%s -c 'put %s peer'`, smbclient, file)),
		})
		return err
	})
	if err != nil {
		return err
	}
	own := all[0].figures
	b.goals = append(b.goals, goal{title, float64(mostRequests(own).Requests), "requests", "", 0, maxBackupRequests})
	switch roundTrip {
	case 0:
		b.goals = append(b.goals, goal{title, median(own).Seconds(), "s", "", 0, 2})
	case 25 * time.Millisecond:
		b.goals = append(b.goals, goal{title, median(own).Seconds(), "s", "", 0, 6})
	}
	return nil
}
