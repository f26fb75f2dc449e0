// Package budget bounds how often, and how many at a time, callers may ask for something that
// costs: all of them together, and each of them with a share, so that none starves the others.
package budget
