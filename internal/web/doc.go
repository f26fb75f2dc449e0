// Package web is the listener of the Backup Resource Provider: TLS, limits, request ids,
// authentication of the API, headers of the pages, access log and audit.
//
// It serves what it is handed and knows nothing of it: paths of Azure Resource Manager and of
// /api/v1 go to the API with a principal in the request's context, everything else to the
// pages with the session of the browser. It listens with TLS only, and on the loopback
// address unless told otherwise. What a client sends is bounded before it is looked at: time,
// headers, body, connections, and how often. No credential, query or body reaches the log.
//
// Start reading at [NewServer], then [Server.ServeHTTP].
package web
