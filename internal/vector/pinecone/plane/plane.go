// Package plane is Pinecone's API as a server has it: the paths of the data plane by
// REST, what requests may have, pages, and errors in the forms that clients read. It
// follows the contract that Pinecone publishes as 2026-04. Who answers is a
// [wire.Server].
package plane
