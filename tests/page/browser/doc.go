// Package browser drives a headless Chromium for tests of the operators' page: with the
// keyboard, on a phone, and through the eyes of axe-core, which knows the barriers of WCAG 2.2.
//
// It knows nothing of what the pages are about. Start reading at [Start].
package browser
