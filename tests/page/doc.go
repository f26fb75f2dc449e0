// Command page serves the operators' page with invented data, to look at it and to test it
// in a browser:
//
//	go run ./tests/page -listen 127.0.0.1:8088
//
// Each state of an instance is an instance of its own, as /i/healthy/ or /i/running/. The
// tests drive a headless Chromium over all pages, in both themes and on a phone: no barrier
// that axe-core knows of, nothing that the page's security policy stops, and the ways of an
// operator with the keyboard alone. They are left out where there is no such browser.
package main
