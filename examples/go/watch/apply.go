package main

import (
	"fmt"
	"os"

	configv1 "example.com/topics/stubs/centralhub/config/v1"
)

var (
	running *configv1.WatchMessagingConfigResponse // What the service runs on.
	refused = map[string]string{}                  // By nonce, why: it is not tried again.
)

// apply takes a configuration into use; an error refuses it. Here: it prints it.
func apply(message *configv1.WatchMessagingConfigResponse, source string) error {
	topics := 0
	for _, domain := range message.GetSnapshot().GetKafka().GetTopics() {
		topics += len(domain.Topics)
	}
	revision, version := message.Header.Revision, message.Header.Version
	_, err := fmt.Printf("%s revision=%d version=%s topics=%d\n", source, revision, version, topics)
	return err
}

// take applies a content that is neither refused nor running already.
func take(message *configv1.WatchMessagingConfigResponse) {
	nonce := message.Nonce
	if refused[nonce] != "" || running.GetNonce() == nonce {
		return
	}
	if err := apply(message, "live"); err != nil {
		refused[nonce] = err.Error() // The service goes on with what it has.
		return
	}
	running = message
	if err := save(path, message); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
