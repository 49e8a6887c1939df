// Asks a hub what the tests compare and prints it as JSON. Built within the module of examples/go, whose stubs it uses.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	configv1 "example.com/topics/stubs/centralhub/config/v1"
)

// As codes.Code of Go does not write them.
var names = map[codes.Code]string{codes.NotFound: "NOT_FOUND", codes.OK: "OK"}

func main() {
	address, topicDomain, subjectDomain, unknownDomain := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	hub := configv1.NewConfigServiceClient(connection)
	topics, err := hub.GetKafkaTopics(ctx, &configv1.GetKafkaTopicsRequest{Domain: topicDomain})
	must(err)
	// Compressed, so that the request and the answer travel as gzip once.
	subjects, err := hub.GetNatsSubjects(ctx, &configv1.GetNatsSubjectsRequest{Domain: subjectDomain}, grpc.UseCompressor(gzip.Name))
	must(err)
	groups, err := hub.GetKafkaConsumerGroups(ctx, &configv1.GetKafkaConsumerGroupsRequest{})
	must(err)
	_, refusal := hub.GetKafkaTopics(ctx, &configv1.GetKafkaTopicsRequest{Domain: unknownDomain})
	health, err := healthv1.NewHealthClient(connection).Check(ctx, &healthv1.HealthCheckRequest{})
	must(err)

	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"topics":          inJSON(topics),
		"subjects":        inJSON(subjects),
		"consumer_groups": inJSON(groups),
		"refusal":         map[string]string{"code": names[status.Code(refusal)], "message": status.Convert(refusal).Message()},
		"health":          health.Status.String(),
	}))
}

func inJSON(message proto.Message) json.RawMessage {
	text, err := protojson.Marshal(message)
	must(err)
	return text
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
