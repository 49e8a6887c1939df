// Prints the Kafka topics of a domain, with plain gRPC stubs.
//
//	central-hub export protos protos
//	go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
//	go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
//	buf generate
//	go run . localhost:7000 user_domain
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	configv1 "example.com/topics/stubs/centralhub/config/v1"
)

func main() {
	if len(os.Args) != 3 {
		fail("usage: topics HOST:PORT DOMAIN")
	}
	// Where the hub has a certificate, use credentials.NewTLS instead.
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fail(err.Error())
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	hub := configv1.NewConfigServiceClient(connection)
	answer, err := hub.GetKafkaTopics(ctx, &configv1.GetKafkaTopicsRequest{Domain: os.Args[2]})
	if err != nil {
		// For an unknown domain: NotFound, and the message lists the domains that exist.
		fail(fmt.Sprintf("%s: %s", status.Code(err), status.Convert(err).Message()))
	}
	for _, topics := range answer.Domains {
		for _, topic := range topics.Topics {
			fmt.Printf("%s partitions=%d retention_ms=%d\n", topic.Name, topic.Partitions, topic.RetentionMs)
		}
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}
