// The ceiling: Node's HTTP/2 with the same bytes for everyone, and nothing else. Arguments: port, file of the message,
// and "unread" for answering before the request has been read, as no server can whose answer depends on it.
import { readFileSync } from "node:fs";
import http2, { type ServerHttp2Stream } from "node:http2";
import { enveloped } from "../grpc.ts";

const [port = "", file = "", mode = ""] = process.argv.slice(2);
const frame = enveloped(readFileSync(file));

function answer(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(frame);
}

const server = http2.createServer();
server.on("stream", (stream) => {
  stream.resume();
  if (mode === "unread") answer(stream);
  else stream.once("end", () => answer(stream));
});
server.listen(Number(port), "127.0.0.1");
