package mailtest

import (
	"testing"
	"time"
)

// A message whose recipient was named under Hold and whose text ended after the
// Release was held for ever: nobody released the queue again.
func TestReleaseReachesWhatIsStillBeingSubmitted(t *testing.T) {
	p, err := StartProvider(ProviderConfig{SMTPS: "127.0.0.1:0", IMAPS: "127.0.0.1:0", Users: []User{{"a", "pw"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Set(Hold)
	account := p.accounts["a"]
	named := recipient{address: "a@provider.test", account: account, mode: Hold}
	p.Release()
	p.enqueue(&message{raw: []byte("Subject: x\r\n\r\nx\r\n")}, "a@provider.test", []recipient{named})
	for p.Queue() > 0 {
		time.Sleep(time.Millisecond)
	}
	if n, err := p.Count("a", Inbox); n != 1 || err != nil {
		t.Errorf("%d mails in the inbox, %v; want 1", n, err)
	}
}
