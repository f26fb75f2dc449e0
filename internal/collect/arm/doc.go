// Package arm captures the resource manager itself. Of tenants: subscriptions,
// resource groups, providers and their registration, tags, locks, policy,
// deployments and links, and every tracked resource of providers that no other
// service owns. Of the operator: plans, offers and their delegations, user
// subscriptions and what they acquired, delegated providers, directory tenants,
// quotas, locations, manifests, and the stamp's version with its updates.
//
// It is a table for package resource. The rows' paths are those of Microsoft's
// definitions for resources (2019-10-01), subscriptions (2016-06-01), authorization,
// Microsoft.Subscriptions.Admin (2015-11-01) and Microsoft.Update.Admin (2016-05-01).
// Start reading at [Table].
package arm
