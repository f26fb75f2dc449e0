package ui_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/ui"
)

func TestUnits(t *testing.T) {
	require.Equal(t, "1.5 KiB", ui.Size(1536))
	require.Equal(t, "3 B", ui.Size(3))
	require.Equal(t, "2.0 GiB", ui.Size(2<<30))
	require.Equal(t, "-", ui.Time(time.Time{}))
	require.Equal(t, "2026-11-23 19:59:27Z", ui.Time(time.Date(2026, 11, 23, 20, 59, 27, 5, time.FixedZone("", 3600))))
}

func TestSay(t *testing.T) {
	var out strings.Builder
	ui.Say(&out, "%s is %d of %v", "a\x1b[31mb", 3, errors.New("größe\r"))
	require.Equal(t, `a\x1b[31mb is 3 of größe\r`+"\n", out.String())
}
