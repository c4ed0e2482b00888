//go:build race

package archive_test

// racing: the race detector looks at pointers, too, and ends the test where the library
// makes a bad one of a broken file. Without it that is a panic, which is caught.
const racing = true
