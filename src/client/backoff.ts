import { durationMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

const FIRST_MS = 100;
const MAX_MS = 10_000;
/** The longest wait that a hub may ask for. */
const ASKED_MAX_MS = 60_000;

/**
 * How long to wait before another try, in milliseconds: anything up to twice the limit before, so that many clients
 * spread out, and never less than what the hub asks for.
 */
export function delayAfter(error: Error, failures: number, random = Math.random): number {
  const jittered = random() * Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures, 30));
  const [info] = error instanceof ConnectError ? error.findDetails(RetryInfoSchema) : [];
  const asked = info?.retryDelay ? durationMs(info.retryDelay) : 0;
  return Math.max(jittered, Math.min(asked, ASKED_MAX_MS));
}

/** Waits, or less when the signal comes first. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
