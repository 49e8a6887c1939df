// A program that watches a hub and prints each revision that it is sent, to be stopped with SIGSTOP by its parent.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";

const [baseUrl = ""] = process.argv.slice(2);
const client = createClient(ConfigService, createGrpcTransport({ baseUrl }));
for (let resume: { epoch: string; revision: bigint } | undefined; ; ) {
  try {
    for await (const { header, event } of client.watchMessagingConfig(resume ? { resume } : {})) {
      if (header) resume = { epoch: header.epoch, revision: header.revision };
      process.stdout.write(`${event.case} ${header?.revision}\n`);
    }
  } catch (error) {
    const { code } = ConnectError.from(error);
    // It stood still for longer than the hub remembers.
    if (code === Code.OutOfRange) resume = undefined;
    process.stdout.write(`cut ${Code[code]}\n`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
