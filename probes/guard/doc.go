// Package guard stands between a mail library and a server that may be broken or
// hostile. No limit of it can be lifted by the library on top:
//
//   - bytes: what the server may send in answer to one step of the dialogue
//   - time: a point in time by which that step is over
//   - lines (IMAP): the shapes that go-imap cannot survive
//
// It is used thus; TLS lies between the two, for the line check must see the
// plain text:
//
//	g := guard.New(conn, guard.Handshake, deadline)
//	t := tls.Client(g, config)
//	...
//	c := imapclient.New(g.IMAP(t), options)
//	g.Arm(guard.IMAPReply, time.Now().Add(timeout)) // before each command
//	...
//	err = g.Explain(err)                            // was it the guard?
//
// A guard that has tripped stays so: the connection is closed, and each Read and
// Write returns the reason.
package guard
