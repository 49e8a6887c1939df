import { clone } from "@bufbuild/protobuf";
import {
  type WatchMessagingConfigResponse,
  WatchMessagingConfigResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import type { Snapshot } from "../../src/config/snapshot.ts";
import { ConfigWatch, type WatchRequest } from "../../src/config/watch.ts";
import type { Promise6 } from "./watch-checker.ts";
import type { MakeWatch, WatchLike } from "./watch-hub.ts";

/** A watch with a fault put into it, and the promises any of which may be the first to be seen broken. */
export interface Mutant {
  readonly name: string;
  readonly breaks: readonly Promise6[];
  readonly make: MakeWatch;
  /** Programs that show the fault soon. */
  readonly seed: number;
}

type Messages = AsyncGenerator<WatchMessagingConfigResponse>;

/** Passes the real watch's messages on, changed by a fault. */
function faulty(
  change: (real: ConfigWatch, request: WatchRequest, signal: AbortSignal) => Messages,
): MakeWatch {
  return (...parts) => {
    const real = new ConfigWatch(...parts);
    return {
      watch: (request, signal) => change(real, request, signal),
      push: (snapshot) => real.push(snapshot),
    };
  };
}

function copyOf(message: WatchMessagingConfigResponse): WatchMessagingConfigResponse {
  return clone(WatchMessagingConfigResponseSchema, message);
}

/** Forgets the resume point and starts with a snapshot, whatever the client has. */
const repeatsOnResume = faulty(async function* (real, request, signal) {
  const { resume } = request;
  if (!resume) {
    yield* real.watch(request, signal);
    return;
  }
  // The real one judges whether the resume point is still there.
  const judged = real.watch(request, signal);
  const first = await judged.next();
  await Promise.race([judged.return(undefined), Promise.resolve()]);
  if (!first.done) yield* real.watch({ ...request, resume: undefined }, signal);
});

/** Keeps the messages of each client's last connection but one, as a replica that lags behind would. */
const goesBackOnResume: MakeWatch = (...parts) => {
  const real = new ConfigWatch(...parts);
  const seen = new Map<string, WatchMessagingConfigResponse[]>();
  return {
    push: (snapshot) => real.push(snapshot),
    async *watch(request, signal) {
      const key = JSON.stringify([request.service, request.instance, request.systems, request.version]);
      const old = seen.get(key) ?? [];
      seen.set(key, old);
      let isFirst = true;
      for await (const message of real.watch(request, signal)) {
        const stale = old.at(-2);
        if (isFirst && request.resume && stale) yield stale;
        isFirst = false;
        if (message.event.case === "snapshot") old.push(message);
        yield message;
      }
    },
  };
};

/** Looks, sends, and only then begins to listen: what is published while it sends is never sent. */
const losesTheLastChange: MakeWatch = (...parts) => {
  const real = new ConfigWatch(...parts);
  const listeners = new Set<() => void>();
  return {
    push: (snapshot: Snapshot) => {
      real.push(snapshot);
      for (const listener of listeners) listener();
    },
    async *watch(request, signal) {
      let resume = request.resume;
      while (!signal.aborted) {
        const look = new AbortController();
        const looking = real.watch({ ...request, resume }, look.signal);
        const { value, done } = await looking.next();
        look.abort();
        if (done) return;
        if (value.header) resume = { epoch: value.header.epoch, revision: value.header.revision };
        yield value;
        await new Promise<void>((resolve) => {
          listeners.add(resolve);
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    },
  };
};

/** Sends a change of two documents as two messages. */
const splitsAChange = faulty(async function* (real, request, signal) {
  let before: WatchMessagingConfigResponse | undefined;
  for await (const message of real.watch(request, signal)) {
    if (message.event.case !== "snapshot" || before?.event.case !== "snapshot") {
      yield message;
    } else {
      const half = copyOf(message);
      const old = before.event.value.nats;
      if (half.event.case === "snapshot" && old) half.event.value.nats = old;
      yield half;
      yield message;
    }
    if (message.event.case === "snapshot") before = message;
  }
});

/** Marks a snapshot with the revision before it, as who reads the number first and the content later. */
const namesTheWrongRevision = faulty(async function* (real, request, signal) {
  for await (const message of real.watch(request, signal)) {
    const wrong = copyOf(message);
    if (wrong.header && wrong.header.revision > 1n && wrong.event.case === "snapshot")
      wrong.header.revision -= 1n;
    yield wrong;
  }
});

/** Sends everything to everyone, also to whom the change does not concern. */
const repeatsWhatIsUnchanged = faulty(async function* (real, request, signal) {
  for await (const message of real.watch(request, signal)) {
    yield message;
    if (message.event.case === "snapshot") yield message;
  }
});

/** Says that all is current instead of sending the change. */
const bookmarksWhatItHasNotSent = faulty(async function* (real, request, signal) {
  let count = 0;
  for await (const message of real.watch(request, signal)) {
    count += 1;
    const wrong = copyOf(message);
    if (count === 2 && wrong.event.case === "snapshot") {
      wrong.nonce = "";
      wrong.event = { case: "bookmark", value: { $typeName: "centralhub.config.v1.Bookmark" } };
    }
    yield wrong;
  }
});

/** Gives no sign of life. */
const keepsSilent = faulty(async function* (real, request, signal) {
  let isFirst = true;
  for await (const message of real.watch(request, signal)) {
    if (isFirst || message.event.case === "snapshot") yield message;
    isFirst = false;
  }
});

/** Sends an instance what it has refused. */
const sendsAgainWhatWasRefused: MakeWatch = (first, rollout, limits, readBack): WatchLike =>
  new ConfigWatch(
    first,
    {
      connect: (...args) => rollout.connect(...args),
      hasRejected: () => false,
    },
    limits,
    readBack,
  );

/** Has forgotten, after a restart, what those who come back have. */
const forgetsAtRestart: MakeWatch = (first, rollout, limits): WatchLike =>
  new ConfigWatch(first, rollout, limits);

export const MUTANTS: readonly Mutant[] = [
  { name: "a watch that repeats on resume", breaks: ["unique", "parked"], make: repeatsOnResume, seed: 6 },
  {
    name: "a watch that goes back on resume",
    breaks: ["resumable", "unique"],
    make: goesBackOnResume,
    seed: 1,
  },
  {
    name: "a watch that loses the change that comes while it sends",
    breaks: ["reliable", "bookmarkable"],
    make: losesTheLastChange,
    seed: 1,
  },
  {
    name: "a watch that splits a change of two documents",
    breaks: ["atomic", "unique"],
    make: splitsAChange,
    seed: 1,
  },
  {
    name: "a watch that names the wrong revision",
    breaks: ["atomic", "ordered", "resumable"],
    make: namesTheWrongRevision,
    seed: 1,
  },
  {
    name: "a watch that repeats a state",
    breaks: ["unique", "parked"],
    make: repeatsWhatIsUnchanged,
    seed: 1,
  },
  {
    name: "a watch that bookmarks a change instead of sending it",
    breaks: ["bookmarkable"],
    make: bookmarksWhatItHasNotSent,
    seed: 1,
  },
  { name: "a watch without bookmarks", breaks: ["bookmarkable"], make: keepsSilent, seed: 2 },
  {
    name: "a watch that sends again what was refused",
    breaks: ["parked"],
    make: sendsAgainWhatWasRefused,
    seed: 4,
  },
  { name: "a watch that forgets at a restart", breaks: ["unique"], make: forgetsAtRestart, seed: 3 },
];
