package probes

import (
	"bytes"
	"testing"
)

func TestLostTag(t *testing.T) {
	l := testLetter()
	mail := l.Bytes()
	header, body, _ := bytes.Cut(mail, []byte("\r\n\r\n"))
	for _, field := range []string{"Message-ID", tagField} {
		i := bytes.Index(header, []byte(field+": "))
		end := i + bytes.IndexByte(header[i:], '\n') + 1
		header = append(append([]byte{}, header[:i]...), header[end:]...)
	}
	if len(TagsIn(header)) > 0 {
		t.Fatal("the header has its tag still")
	}
	if !LooksLikeCanary(header) {
		t.Errorf("not recognised:\n%s", header)
	}
	mail = append(append(header, "\r\n\r\n"...), body...)
	if tags := TagsInBody(mail); len(tags) != 1 || tags[0] != l.Tag {
		t.Errorf("tags: %q", tags)
	}
	for _, other := range []string{
		"From: Erika <e@x>\r\nTo: mailquorum <a@b>\r\n",
		"From: mailquorum <a@b>\r\nIn-Reply-To: <x@y>\r\n",
		"From: mailquorum <a@b>\r\nReferences: <x@y>\r\n",
		"From: mailquorum <a@b>\r\nSubject: Re: Mail-flow check\r\n",
		"From: mailquorum <a@b>\r\nAuto-Submitted: auto-replied\r\n",
		"",
	} {
		if LooksLikeCanary([]byte(other)) {
			t.Errorf("%q is taken for a canary", other)
		}
	}
}
