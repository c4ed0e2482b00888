// Package history is the tamper-evident record of every change: accepted
// configurations, keys, capture, overlays, and later rollouts and drills.
//
// # How it holds
//
// The records are the leaves of a Merkle tree (RFC 6962, as in Certificate
// Transparency and the Go checksum database; golang.org/x/mod/sumdb/tlog). After
// each record its tree's root is signed with a key of this installation
// (golang.org/x/mod/sumdb/note, Ed25519). Such a signed root, a checkpoint,
// vouches for every byte of every record up to it.
//
// Who can write the store but has no signing key can change nothing unseen. Who
// holds both, an administrator of this machine, could write the whole history
// anew. Therefore checkpoints can be copied to places outside
// ([Options.Outside]): against one such copy, [Log.Verify] also finds a history
// that was rewritten, cut short or set back to an older backup. Without one it
// says "self-attested".
//
// # What is stored
//
// For each record one [Entry]: the record's exact bytes, the tree hashes that it
// completes, and the checkpoint of the tree that it ends. Nothing is stored
// twice, so there is nothing beside the hashed bytes that could be altered to
// show a reader something else.
package history
