// The ceiling of REST: Node's HTTP/1.1 with the same bytes for everyone. Arguments: port, file of the body.
import { readFileSync } from "node:fs";
import http from "node:http";

const [port = "", file = ""] = process.argv.slice(2);
const body = readFileSync(file);
const server = http.createServer((_request, response) => {
  response.writeHead(200, {
    "content-type": "application/json; charset=utf-8",
    "content-length": body.length,
  });
  response.end(body);
});
server.listen(Number(port), "127.0.0.1");
