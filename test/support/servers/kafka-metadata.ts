import { connect } from "node:net";

const METADATA_KEY = 3;
const METADATA_VERSION = 1;
const MAX_ANSWER_BYTES = 1024 * 1024;

/** Asks a broker, without any client library, which brokers it sees alive: their node ids. */
export async function liveBrokers(port: number, timeoutMs: number): Promise<number[]> {
  return nodeIds(await exchange(port, request(), timeoutMs));
}

// A header (length, kind, version, correlation, client) and a list of topics, which is empty.
function request(): Buffer {
  const message = Buffer.alloc(4 + 2 + 2 + 4 + 2 + 4);
  message.writeInt32BE(message.length - 4, 0);
  message.writeInt16BE(METADATA_KEY, 4);
  message.writeInt16BE(METADATA_VERSION, 6);
  message.writeInt16BE(-1, 12);
  return message;
}

// After the correlation: a list of brokers, each with id, host, port and rack.
function nodeIds(answer: Buffer): number[] {
  const ids: number[] = [];
  let at = 8;
  for (let left = answer.readInt32BE(4); left > 0; left--) {
    ids.push(answer.readInt32BE(at));
    at += 4 + 2 + answer.readInt16BE(at + 4) + 4;
    at += 2 + Math.max(answer.readInt16BE(at), 0);
  }
  return ids;
}

function exchange(port: number, message: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    const timer = setTimeout(() => socket.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    let received = Buffer.alloc(0);
    socket.on("data", (data) => {
      received = Buffer.concat([received, data]);
      if (received.length < 4) return;
      const length = received.readInt32BE(0);
      if (length > MAX_ANSWER_BYTES) socket.destroy(new Error(`an answer of ${length} bytes`));
      if (received.length >= 4 + length) {
        resolve(received.subarray(4));
        socket.destroy();
      }
    });
    socket.on("error", reject);
    socket.on("close", () => {
      clearTimeout(timer);
      reject(new Error("the connection was closed"));
    });
    socket.write(message);
  });
}
