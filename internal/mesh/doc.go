// Package mesh carries bytes between the nodes of a roster and suggests who can
// be reached. It never defines who takes part, what is true, or in what order
// things happened: messages are signed and judged by those who read them.
//
// Each node keeps one TLS 1.3 connection to each other node for frames (direct
// messages, hashicorp/memberlist's packets, digests, heartbeats) and opens
// short ones for memberlist's streams. Both ends prove the ed25519 key that the
// roster pins; a stranger does not get past the handshake. memberlist sees an
// address derived from each node's name, never a real one, so a node that moves
// keeps its place as soon as its name resolves to the new host.
//
// A message goes to all peers directly, is relayed once by whoever finds it new,
// and is repaired by two exchanges of what is newest: a digest every few gossip
// intervals, and memberlist's push/pull.
package mesh
