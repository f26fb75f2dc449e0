//go:build !linux

package ca

import (
	"errors"
	"os"
)

var errNeedsLinux = errors.New("this operating system cannot exchange two folders in one step")

func (p *place) exchange(_, _ string) error { return errNeedsLinux }

func (p *place) moveTo(_, _ string) error { return errNeedsLinux }

func (p *place) flushNames() error { return errNeedsLinux }

func freeBytes(string) (uint64, error) { return 0, errNeedsLinux }

func mayWrite(string) bool { return false }

func isMountPoint(string) (bool, error) { return false, errNeedsLinux }

func (p *place) giveTo(string, os.FileInfo) error { return errNeedsLinux }
