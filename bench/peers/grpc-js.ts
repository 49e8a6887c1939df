// The same call through grpc-js with stubs of its own loader, as its guide has it. Arguments: port, file of the message.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceClientConstructor,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";

const [port = "", file = ""] = process.argv.slice(2);
const root = join(import.meta.dirname, "../..");
const definition = loadSync("centralhub/config/v1/config_service.proto", {
  includeDirs: [join(root, "proto"), join(root, ".protos")],
});
const service = loadPackageDefinition(definition).centralhub as unknown as {
  config: { v1: { ConfigService: ServiceClientConstructor } };
};
const { ConfigService } = service.config.v1;
const method = ConfigService.service.GetKafkaTopics as MethodDefinition<object, object>;
const answer = method.responseDeserialize(readFileSync(file));

const server = new Server();
server.addService(ConfigService.service, {
  getKafkaTopics: (_call: ServerUnaryCall<object, object>, done: sendUnaryData<object>) => done(null, answer),
});
server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
