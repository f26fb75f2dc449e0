// Package nrp captures the network resource provider: networks, interfaces, security
// groups, routes, addresses, load balancers, gateways, connections and their shared
// keys, DNS zones and records of tenants; quotas and the overview of the operator.
//
// It is a table for package resource. The rows' paths and versions are those of
// Microsoft's definitions for Microsoft.Network (2018-11-01, dnsZones 2016-04-01) and
// Microsoft.Network.Admin (2015-06-15). Start reading at [Table].
package nrp
