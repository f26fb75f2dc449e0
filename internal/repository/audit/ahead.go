package audit

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/share"
)

// digested is what reading a file has come to.
type digested struct {
	done chan struct{}
	file backup.File
	err  error
}

// readSigned reads sums, signature and manifest, two at once, which a Store has connections for
// most of the time. What cannot be read is read again, and judged, by the step that needs it.
func (v *verification) readSigned(ctx context.Context) error {
	files := map[string]int64{v.sumsName: folder.MaxSums, v.signatureName: folder.MaxSmall, backup.ManifestFile: backup.MaxManifestBytes}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(2)
	for name, limit := range files {
		if size, ok := v.sizes[name]; !ok || size > limit {
			continue
		}
		group.Go(func() error {
			data, err := v.files.Read(ctx, v.at(name), limit)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				v.read[name] = data
			}
			return nil
		})
	}
	_ = group.Wait() // see above
	return ctx.Err()
}

// readAhead begins to read the small files that the sums name, several at once: they are
// bound by the share's latency. Stop ends that.
func (v *verification) readAhead(ctx context.Context) (ahead map[string]*digested, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ahead = map[string]*digested{}
	var group errgroup.Group
	group.SetLimit(folder.ParallelReads / 2)
	var begin []func()
	for _, want := range v.sums {
		name := v.nameOf(want)
		size, ok := v.sizes[name]
		if expected, known := v.expected[name]; !ok || size > share.SmallFile/2 || known && expected != size || ahead[want.Name] != nil {
			continue
		}
		d := &digested{done: make(chan struct{})}
		ahead[want.Name] = d
		if data, ok := v.read[name]; ok {
			d.file = folder.Describe(want.Name, data)
			close(d.done)
			continue
		}
		begin = append(begin, func() {
			group.Go(func() error {
				defer close(d.done)
				d.file, d.err = v.files.Digest(ctx, v.at(name), nil)
				return nil
			})
		})
	}
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		for _, read := range begin {
			read()
		}
		_ = group.Wait() // each error is its file's
	}()
	return ahead, func() {
		cancel()
		<-begun
	}
}
