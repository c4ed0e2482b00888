package portability

// Sample is the body that stands for a use.
func Sample(dialect, operation, kind, name string) string {
	return body(use{dialect, operation, kind, name})
}
