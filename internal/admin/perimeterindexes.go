package admin

import (
	"maps"
	"slices"

	"freehold/internal/config"
)

func (x *IndexReach) subject() string {
	s := "index " + x.Index
	if x.Tenant != "" {
		s += " of tenant " + x.Tenant
	}
	if x.Added != "" {
		s += " with data class " + x.Added
	}
	return s
}

// lacks reports that an index cannot do its work: of a tenant, which need not use it, that
// nothing is left, and without one, that a store is not.
func (x *IndexReach) lacks() bool {
	return len(x.Stores) == 0 || x.Tenant == "" && len(x.Forbidden) > 0
}

// lacking reports that an index was expected to lack a store.
func (out *PerimeterCheckOut) lacking(subject string) bool {
	return out != nil && slices.ContainsFunc(out.Indexes, func(x IndexReach) bool { return x.subject() == subject && x.lacks() })
}

// index is what requests of an index may reach. Where neither the index nor its source
// names a class, all of them hold for the new store, as when records are sent there.
func (r *reach) index(x *config.Index) ([]IndexReach, error) {
	all := slices.Sorted(maps.Keys(r.cfg.DataClasses))
	own := slices.Concat(x.Data, x.Source.Data)
	target := own
	if len(own) == 0 {
		target = all
	}
	var out []IndexReach
	for _, tenant := range append([]string{""}, slices.Sorted(maps.Keys(r.cfg.Tenants))...) {
		for _, added := range append([]string{""}, all...) {
			if added != "" && slices.Contains(own, added) {
				continue
			}
			one := IndexReach{Index: x.Name, Tenant: tenant, Added: added, Stores: []string{}, Forbidden: []string{}}
			for _, end := range []struct {
				store   *config.Store
				classes []string
				none    string
			}{{x.Source, own, ""}, {x.Target, target, "; the records have no data class of their own, so all of them hold"}} {
				p, err := r.perimeter(tenant, append(slices.Clone(end.classes), added)...)
				if err != nil {
					return nil, err
				}
				if end.store == x.Source {
					one.Classes = orEmpty(p.Names())
				}
				place := end.store.Where()
				_, why := p.Permit(place, r.now)
				switch {
				case why == "":
					one.Stores = append(one.Stores, place.Provider)
				case len(own) == 0:
					one.Forbidden = append(one.Forbidden, place.Provider+": "+why+end.none)
				default:
					one.Forbidden = append(one.Forbidden, place.Provider+": "+why)
				}
			}
			out = append(out, one)
		}
	}
	return out, nil
}
