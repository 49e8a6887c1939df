import type { DescMethod } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { HubError } from "../../errors.ts";

/** Ends a unary call that takes longer than the hub allows, whatever deadline the client set, but for those named. */
export function deadlineInterceptor(deadlineMs: number, unhurried: ReadonlySet<DescMethod>): Interceptor {
  return (next) => async (call) => {
    if (call.stream || unhurried.has(call.method)) return await next(call);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new HubError(
            "DEADLINE_EXCEEDED",
            `the call took longer than the hub's ${deadlineMs} ms; try again`,
          ),
        );
      }, deadlineMs);
    });
    try {
      return await Promise.race([next(call), late]);
    } finally {
      clearTimeout(timer);
    }
  };
}
