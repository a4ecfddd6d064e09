package mailtest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

// A provider on an in-memory network accepts a mail and sits on it.
func Example() {
	network := mailtest.NewNetwork()
	provider, err := mailtest.StartProvider(mailtest.ProviderConfig{
		Listen: network.Listen,
		SMTPS:  "mail.provider.test:465",
		Users:  []mailtest.User{{Name: "canary", Password: "tweet"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer provider.Close()
	provider.Set(mailtest.Hold, "canary")

	conn, err := network.Dial("agent.test")(context.Background(), "tcp", provider.Addr("smtps"))
	if err != nil {
		fmt.Println(err)
		return
	}
	c := smtp.NewClient(tls.Client(conn, &tls.Config{RootCAs: provider.CA(), ServerName: provider.Host()}))
	defer c.Close()
	c.Auth(sasl.NewPlainClient("", "canary", "tweet"))
	err = c.SendMail("canary@provider.test", []string{"canary@provider.test"}, strings.NewReader("Subject: chirp\r\n\r\n"))
	fmt.Println(err, provider.Queue())
	// Output: <nil> 1
}

// hopsOf reads the trace of a message as the product does.
func hopsOf(message string) []probes.Hop {
	header, _, _ := strings.Cut(message, "\r\n\r\n")
	return probes.ParseHops([]byte(header + "\r\n\r\n"))
}
