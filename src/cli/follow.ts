import { Code } from "@connectrpc/connect";
import {
  ConfigService,
  type ResumePoint,
  type WatchMessagingConfigResponse,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { connect, type Target } from "./connection.ts";
import { type Manner, reconnecting } from "./reconnect.ts";

/** Where a watch goes on from. */
export type Point = Pick<ResumePoint, "epoch" | "revision">;

/** What to follow. */
export interface Following {
  readonly systems: string[];
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  readonly resume: Point | undefined;
}

/**
 * The messages of a watch, across connections: a hub that goes away is called again, and the watch goes on from its
 * last message, or from nothing when that is out of reach. Throws as `reconnecting` does.
 */
export async function* follow(
  target: Target,
  { resume, ...request }: Following,
  manner: Manner,
): AsyncGenerator<WatchMessagingConfigResponse> {
  const hub = connect(target, ConfigService);
  let point = resume;
  const open = (signal: AbortSignal) =>
    hub.watchMessagingConfig(point ? { ...request, resume: point } : request, { signal });
  const startAnew = ({ code }: { readonly code: Code }): boolean => {
    if (code !== Code.OutOfRange || !point) return false;
    point = undefined;
    return true;
  };
  for await (const message of reconnecting(target, open, manner, startAnew)) {
    if (message.header) point = { epoch: message.header.epoch, revision: message.header.revision };
    yield message;
  }
}
