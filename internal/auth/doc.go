// Package auth answers who sends a request and what that sender may do.
//
// A virtual key is a secret that freehold issues, shows once and stores only as
// a SHA-256 hash. [Keyring] issues, rotates and revokes keys and authenticates
// requests from an immutable snapshot in memory, so that a look-up takes well
// under a microsecond, touches no store and costs no memory for a bad key.
// [Limiter] holds a key to its requests a minute, tokens a minute and requests
// at a time. [AdminKey] is the one configured secret of the administration API.
//
// Every refusal is a [*Denied] with a stable [Code]. No error, log line or
// string form in this package contains a key: only its public prefix fh_<id>.
package auth
