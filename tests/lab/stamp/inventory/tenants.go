package inventory

// tenants makes the tenants' resources: first one of every kind, as far as the
// wanted number goes, then groups of random content until there are enough.
func (b *builder) tenants() {
	first := b.subs[0]
	g := b.group(first)
	for _, unit := range []func(*group){
		b.newVault, func(g *group) { b.newNetwork(g) }, b.machines, b.storage,
		func(g *group) { b.lock(g.id); b.policy(g.sub, g.id); b.deployment(g.id, "") },
		func(g *group) { b.balancer(g) }, b.strange, b.scaleSet, b.images, b.dns, b.gateway,
		func(g *group) { b.deployment(g.sub.id, b.o.Region); b.lock(g.some[0]); b.policy(g.sub, g.sub.id) },
	} {
		if !b.more() {
			return
		}
		unit(g)
	}
	for i := 1; b.more(); i++ {
		b.fillGroup(b.subs[i%len(b.subs)], b.budget())
	}
	b.extras(func() { b.restoreCases(g) })
}

// budget is the number of resources of the next group: mostly some dozens,
// sometimes very few, and now and then so many that lists of it have many pages.
func (b *builder) budget() int {
	switch {
	case b.chance(40):
		return min(b.o.Resources/10, 5000)
	case b.chance(5):
		return b.between(1, 5)
	}
	return b.between(20, 120)
}

func (b *builder) fillGroup(s *subscription, budget int) {
	end := b.tenant + budget
	g := b.group(s)
	if b.chance(5) {
		b.lock(g.id)
	}
	for b.more() && b.tenant < end {
		switch n := b.r.IntN(100); {
		case n < 40:
			b.machines(g)
		case n < 56:
			b.storage(g)
		case n < 64:
			b.newNetwork(g)
		case n < 70:
			b.balancer(g)
		case n < 74:
			b.scaleSet(g)
		case n < 80:
			b.images(g)
		case n < 85:
			b.dns(g)
		case n < 88:
			b.gateway(g)
		case n < 92:
			b.newVault(g)
		case n < 95:
			b.deployment(g.id, "")
		case n < 97:
			b.strange(g)
		case n < 98:
			b.policy(g.sub, g.id)
		case n < 99:
			if len(g.some) > 0 {
				b.lock(pick(b, g.some))
			}
		default:
			b.disk(g, "", "")
		}
	}
}
