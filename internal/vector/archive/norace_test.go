//go:build !race

package archive_test

const racing = false
