import { BlockList, connect, type Socket } from "node:net";
import type { Endpoint } from "../../health/endpoints.ts";

/** Answers of more bytes than this are not read to their end. */
const ANSWER_MAX_BYTES = 64 * 1024;

/**
 * Addresses that no probe connects to, whatever name leads there: link-local ones, where clouds hand out credentials,
 * and the like of them. Otherwise whoever may publish documents could have the hub ask there.
 */
export const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet("169.254.0.0", 16, "ipv4");
FORBIDDEN.addSubnet("fe80::", 10, "ipv6");
FORBIDDEN.addAddress("fd00:ec2::254", "ipv6");
FORBIDDEN.addAddress("100.100.100.200", "ipv4");
FORBIDDEN.addAddress("192.0.0.192", "ipv4");

/** Connects. Ends by the signal, and keeps no socket when it fails. */
export function dial(endpoint: Endpoint, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...endpoint, blockList: FORBIDDEN });
    const end = (settle: () => void): void => {
      signal.removeEventListener("abort", giveUp);
      socket.removeAllListeners("connect");
      settle();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const giveUp = (): void => {
      socket.destroy();
      fail(new Error("no connection in time"));
    };
    socket.once("connect", () => end(() => resolve(socket)));
    socket.once("error", fail);
    // Whatever comes after that is of no interest, and must not end the process.
    socket.on("error", () => {});
    if (signal.aborted) giveUp();
    else signal.addEventListener("abort", giveUp);
  });
}

/** Sends a text and reads what comes back, up to its end. Ends by the signal, and keeps no socket. */
export async function exchange(endpoint: Endpoint, text: string, signal: AbortSignal): Promise<string> {
  const socket = await dial(endpoint, signal);
  let giveUp = (): void => {};
  try {
    return await new Promise((resolve, reject) => {
      let answer = "";
      giveUp = () => reject(new Error("it accepts connections and does not answer"));
      signal.addEventListener("abort", giveUp);
      if (signal.aborted) giveUp();
      socket.setEncoding("utf8");
      socket.on("data", (data: string) => {
        answer += data;
        if (answer.length > ANSWER_MAX_BYTES) resolve(answer);
      });
      socket.once("end", () => resolve(answer));
      socket.once("error", reject);
      socket.write(text);
    });
  } finally {
    signal.removeEventListener("abort", giveUp);
    socket.destroy();
  }
}
