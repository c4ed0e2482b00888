package config

// Tenant is a customer on whose behalf requests are made, known by the virtual
// key or by a header. It only narrows where bytes may go.
type Tenant struct {
	// Name is the key under tenants.
	Name string `yaml:"-"`
	// Names or ids of virtual keys whose requests are this tenant's; a beginning of names ends in *.
	Keys []string `yaml:"keys"`
	// Header by which a trusted application says that a request is this tenant's.
	Header *TenantHeader `yaml:"header"`
	// Data classes of all its requests, beside those of workload, key and header.
	Classes Names `yaml:"classes"`
	// Providers that may or may not be asked for it.
	Providers TenantProviders `yaml:"providers"`
}

// TenantHeader names a tenant by a request header.
type TenantHeader struct {
	// Name of the header, such as x-tenant. A request that carries it with a value of no tenant is refused.
	Name string `yaml:"name" jsonschema:"required"`
	// The value that means this tenant.
	Value string `yaml:"value" jsonschema:"required"`
}

// TenantProviders narrow the providers that may be asked for a tenant.
type TenantProviders struct {
	// The only providers and stores that may be asked; absent: any that the data classes allow.
	Allow []string `yaml:"allow"`
	// Providers that are never asked.
	Deny []string `yaml:"deny"`
}

// Need says whether something must be known of a request.
type Need string

// Values of Need.
const (
	Optional Need = "optional"
	Required Need = "required"
)

func (Need) values() []string { return []string{"optional", "required"} }
