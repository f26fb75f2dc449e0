package audit

import (
	"context"

	"infrabackup/internal/repository/folder"
)

// stable takes snapshots of what others may be at work on until one of them is good, two
// after each other saw the same, or there were [folder.MaxPasses] of them. Pause, when not
// nil, is called before each further one. It returns the last and the one before that,
// which is the zero value for none, and whether the last one is good or confirmed.
func stable[T any](ctx context.Context, pause func(context.Context) error, take func(context.Context) (T, error), good func(T) bool, same func(before, now T) bool) (now, before T, held bool, err error) {
	first := true
	err = folder.UntilStable(func(bool) (bool, error) {
		if !first && pause != nil {
			if err := pause(ctx); err != nil {
				return false, err
			}
		}
		next, err := take(ctx)
		if err != nil {
			return false, err
		}
		before, now = now, next
		held = good(now) || !first && same(before, now)
		first = false
		return held, nil
	})
	return now, before, held, err
}
