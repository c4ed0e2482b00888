package fleet

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"freehold/internal/config"
	"freehold/internal/policy"
)

// Tenants finds the tenant of a request. The zero value knows none.
type Tenants struct {
	headers map[string]map[string]*policy.Tenant // by name and value
	keys    []keyOf
}

// keyOf is a key, or the beginning of its name, that belongs to a tenant.
type keyOf struct {
	name   string
	prefix bool
	tenant *policy.Tenant
}

// TenantError says why the tenant of a request is not known. It is not served
// then: whose rules hold is not known either.
type TenantError struct {
	Code    string // stable
	Message string
}

func (e *TenantError) Error() string { return e.Message }

// NewTenants are the tenants of a configuration.
func NewTenants(c *config.Config) Tenants {
	var out Tenants
	for _, name := range slices.Sorted(maps.Keys(c.Tenants)) {
		t := c.Tenants[name]
		made := t.Policy()
		for _, k := range t.Keys {
			beginning, prefix := strings.CutSuffix(k, "*")
			out.keys = append(out.keys, keyOf{beginning, prefix, made})
		}
		if h := t.Header; h != nil {
			name := http.CanonicalHeaderKey(h.Name)
			if out.headers == nil {
				out.headers = map[string]map[string]*policy.Tenant{}
			}
			if out.headers[name] == nil {
				out.headers[name] = map[string]*policy.Tenant{}
			}
			out.headers[name][h.Value] = made
		}
	}
	return out
}

// Find returns the tenant of a request by its virtual key and its headers, nil
// for none. What says two tenants, or one that there is not, is an error.
func (t *Tenants) Find(keyID, keyName string, h http.Header) (*policy.Tenant, error) {
	var found *policy.Tenant
	if keyID != "" {
		for _, k := range t.keys {
			if k.name != keyID && k.name != keyName && (!k.prefix || !strings.HasPrefix(keyName, k.name)) {
				continue
			}
			if found != nil && found != k.tenant {
				return nil, &TenantError{"tenant_ambiguous", fmt.Sprintf("the key belongs to the tenants %s and %s", found.Name, k.tenant.Name)}
			}
			found = k.tenant
		}
	}
	for name, values := range t.headers {
		for _, v := range h[name] {
			said := values[v]
			if said == nil {
				return nil, &TenantError{"unknown_tenant", fmt.Sprintf("the header %s names no tenant", strings.ToLower(name))}
			}
			if found != nil && found != said {
				return nil, &TenantError{"tenant_mismatch", fmt.Sprintf("the request is of tenant %s, and its header %s says %s", found.Name, strings.ToLower(name), said.Name)}
			}
			found = said
		}
	}
	return found, nil
}
