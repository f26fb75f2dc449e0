// Package collect is the port to the sources: a [Collector] reads one service
// and streams its items into a [Sink].
//
// It knows neither the share nor Temporal nor encryption. Each service has a
// package below; they do not import each other. collecttest holds every
// collector to the contract. Start reading at [Collector].
package collect
