// SaveUserEvent as the first design had it, behind grpc-js: one INSERT for each call. Arguments: port, file with the
// address of a database.
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
import { loadSync } from "@grpc/proto-loader";
import { Pool } from "pg";

interface SavedEvent {
  readonly userId: string;
  readonly eventType: string;
  readonly eventJson: string;
}

const [port = "", file = ""] = process.argv.slice(2);
const root = join(import.meta.dirname, "../..");
const pool = new Pool({ connectionString: readFileSync(file, "utf8"), max: 10 });
await pool.query(`CREATE TABLE user_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text NOT NULL, event_type text NOT NULL,
  event_data jsonb NOT NULL, timestamp timestamptz NOT NULL)`);
await pool.query("CREATE INDEX ON user_events (user_id, timestamp DESC)");
const INSERT = {
  name: "insert",
  text: "INSERT INTO user_events (user_id, event_type, event_data, timestamp) VALUES ($1, $2, $3, NOW()) RETURNING id",
};

const definition = loadSync("centralhub/userdata/v1/userdata_service.proto", {
  includeDirs: [join(root, "proto"), join(root, ".protos"), join(root, "node_modules/google-proto-files")],
});
const loaded = loadPackageDefinition(definition).centralhub as unknown as {
  userdata: { v1: { UserDataService: ServiceClientConstructor } };
};
const { UserDataService } = loaded.userdata.v1;

const server = new Server();
server.addService(UserDataService.service, {
  saveUserEvent: (call: ServerUnaryCall<SavedEvent, object>, done: sendUnaryData<object>) => {
    const { userId, eventType, eventJson } = call.request;
    pool.query({ ...INSERT, values: [userId, eventType, eventJson] }).then(
      ({ rows }) => done(null, { eventId: String(rows[0]?.id), dataType: "trades" }),
      (error: Error) => done(error),
    );
  },
});
server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
