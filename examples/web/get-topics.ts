// Prints the Kafka topics of a domain, as a page would fetch them: connect-web runs in browsers and in Node alike.
//
//   npm install @connectrpc/connect @connectrpc/connect-web @bufbuild/protobuf
//   node examples/web/get-topics.ts http://localhost:7000 user_domain
//
// A page needs its origin in the hub's HUB_CORS_ORIGINS, unless the hub itself serves the page.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";

const [url, domain] = process.argv.slice(2);
if (!url || !domain) {
  console.error("usage: get-topics.ts URL DOMAIN");
  process.exit(2);
}

// Reads are free of side effects, so they may be GET requests.
const transport = createConnectTransport({ baseUrl: url, useHttpGet: true, defaultTimeoutMs: 5_000 });
const hub = createClient(ConfigService, transport);
try {
  const { domains } = await hub.getKafkaTopics({ domain });
  for (const { topics } of Object.values(domains)) {
    for (const { name, partitions, retentionMs } of Object.values(topics)) {
      console.log(`${name} partitions=${partitions} retention_ms=${retentionMs}`);
    }
  }
} catch (error) {
  // For an unknown domain: NotFound, and the message lists the domains that exist.
  const { code, rawMessage } = ConnectError.from(error);
  console.error(`${Code[code]}: ${rawMessage}`);
  process.exitCode = 1;
}
