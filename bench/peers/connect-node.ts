// The same call through connect-node as it comes. Arguments: port, file of the message.
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  ConfigService,
  GetKafkaTopicsResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";

const [port = "", file = ""] = process.argv.slice(2);
const answer = fromBinary(GetKafkaTopicsResponseSchema, readFileSync(file));
const handler = connectNodeAdapter({
  routes: (router) => {
    router.service(ConfigService, { getKafkaTopics: () => answer });
  },
});
http2.createServer(handler).listen(Number(port), "127.0.0.1");
