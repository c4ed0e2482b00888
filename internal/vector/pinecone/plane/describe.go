package plane

import "maps"

// Newer is the contract in which indexes have a schema and a deployment.
const Newer = "2026-07"

// Description is what the control plane says of an index.
type Description struct {
	Contract
	Name, Host string // the host with its scheme, where it is not https
	Ready      bool
	Protected  bool // from deletion
	Tags       map[string]string
	Spec       map[string]any // serverless, pod or byoc
}

// In is the description in the words of a contract, by its version.
func (d *Description) In(version string) map[string]any {
	state := map[string]any{"ready": true, "state": "Ready"}
	if !d.Ready {
		state = map[string]any{"ready": false, "state": "Initializing"}
	}
	out := map[string]any{
		"name": d.Name, "host": d.Host, "status": state,
		"deletion_protection": map[bool]string{true: "enabled", false: "disabled"}[d.Protected],
	}
	if len(d.Tags) > 0 {
		out["tags"] = d.Tags
	}
	if version >= Newer {
		fields := map[string]any{}
		if d.VectorType == "dense" {
			fields["_values"] = map[string]any{"type": "dense_vector", "dimension": d.Dimension, "metric": d.Metric}
		} else {
			fields["_sparse_values"] = map[string]any{"type": "sparse_vector"}
		}
		out["schema"], out["deployment"] = map[string]any{"fields": fields}, d.deployment()
		return out
	}
	out["metric"], out["vector_type"], out["spec"] = d.Metric, d.VectorType, d.specification()
	if d.Dimension > 0 {
		out["dimension"] = d.Dimension
	}
	return out
}

// specification is the spec with the read capacity, which an answer has.
func (d *Description) specification() map[string]any {
	out := map[string]any{}
	for kind, inner := range d.Spec {
		full := maps.Clone(inner.(map[string]any))
		if kind != "pod" {
			full["read_capacity"] = map[string]any{"mode": "OnDemand", "status": map[string]any{"state": "Ready"}}
		}
		out[kind] = full
	}
	return out
}

func (d *Description) deployment() map[string]any {
	out := map[string]any{}
	for kind, inner := range d.Spec {
		out["deployment_type"] = map[string]string{"serverless": "managed", "pod": "pod", "byoc": "byoc"}[kind]
		maps.Copy(out, inner.(map[string]any))
	}
	return out
}
