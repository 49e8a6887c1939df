import type { WatchMessagingConfigResponse } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { LiveConfig } from "../../src/config/live-config.ts";
import { ReleaseDesk } from "../../src/config/release-desk.ts";
import { Rollout } from "../../src/config/rollout.ts";
import { RolloutBoard } from "../../src/config/rollout-board.ts";
import type { RolloutView } from "../../src/config/shared-rollout.ts";
import type { Snapshot } from "../../src/config/snapshot.ts";
import { ConfigWatch, type Recall, type WatchLimits, type WatchRequest } from "../../src/config/watch.ts";
import type { MemoryRevisionLog, MemoryRevisions } from "../support/memory-revision-log.ts";
import { tinyDocuments } from "./tiny.ts";

/** What a test needs of a watch, so that a broken one can stand in for the real one. */
export interface WatchLike {
  watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchMessagingConfigResponse>;
  push(snapshot: Snapshot): void;
}

export type MakeWatch = (
  first: Snapshot,
  rollout: RolloutView,
  limits: WatchLimits,
  readBack: Recall,
) => WatchLike;

export const LIMITS: WatchLimits = { windowRevisions: 4, bookmarkIntervalMs: 15_000, catchUpMs: 1_000 };

/** The parts of a hub that live configuration is made of, on a history in memory. */
export interface CoreHub {
  readonly log: MemoryRevisionLog;
  readonly live: LiveConfig;
  readonly rollout: Rollout;
  readonly watch: WatchLike;
  readonly desk: ReleaseDesk;
  stop(): void;
}

export async function startCore(
  revisions: MemoryRevisions,
  limits: WatchLimits = LIMITS,
  make: MakeWatch = (...parts) => new ConfigWatch(...parts),
): Promise<CoreHub> {
  const log = revisions.open();
  const live = await LiveConfig.start(log, tinyDocuments());
  const rollout = new Rollout();
  const watch = make(live.manager.snapshot, rollout, limits, (revision) => live.recall(revision));
  live.onSnapshot((snapshot) => watch.push(snapshot));
  const desk = new ReleaseDesk(live, () => []);
  const stop = (): void => {
    live.stop();
    log.close().catch(() => {});
  };
  return { log, live, rollout, watch, desk, stop };
}

/** A hub with the real watch, and a board over it. */
export async function startCoreWithBoard(revisions: MemoryRevisions, limits: WatchLimits = LIMITS) {
  let watch: ConfigWatch | undefined;
  const hub = await startCore(revisions, limits, (...parts) => {
    watch = new ConfigWatch(...parts);
    return watch;
  });
  if (!watch) throw new Error("no watch was made");
  const board = new RolloutBoard(hub.rollout, watch);
  const desk = new ReleaseDesk(hub.live, (version, system) => board.liveServices(version, system));
  return { ...hub, watch, board, desk };
}

/** Lets everything that is ready to run have run; timers have no part in it. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
