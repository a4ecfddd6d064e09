package submit_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/mailtest"
	"mailquorum/probes/submit"
)

func ExampleSend() {
	network := mailtest.NewNetwork()
	provider, err := mailtest.StartProvider(mailtest.ProviderConfig{
		Listen: network.Listen, SMTPS: "mail.provider.test:465",
		Users: []mailtest.User{{Name: "canary", Password: "secret"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer provider.Close()

	key := probes.NewKey([]byte("the agent's seed"))
	canary := probes.Canary{ID: probes.NewID(), Sent: time.Now()}
	letter := probes.Letter{
		Canary: canary, Tag: key.Tag(canary.ID), Cluster: "prod", Region: "eu-west",
		From: "canary@provider.test", To: "canary+eu-west@provider.test",
	}
	provider.Set(mailtest.Reject)
	result, err := submit.Send(context.Background(), submit.Config{
		Address: "mail.provider.test:465", TLS: submit.Implicit, TLSConfig: &tls.Config{RootCAs: provider.CA()},
		Username: "canary", Password: secret.New("secret"), From: letter.From, To: letter.To,
		Dial: network.Dial("eu-west.test"),
	}, letter.Bytes(), nil)
	for _, t := range result.Timings {
		fmt.Println("passed", t.Stage)
	}
	if e := probes.AsError(probes.StageNone, err); e != nil {
		fmt.Printf("%s, %s\n", e.Outcome, e)
	}
	// Output:
	// passed connect
	// passed tls
	// passed auth
	// policy, envelope: 550 5.7.1 refused by switch
}
