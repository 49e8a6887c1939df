import { fromBinary } from "@bufbuild/protobuf";
import {
  SaveUserEventsRequestSchema,
  SaveUserEventsResponseSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { startPostgres } from "../../test/support/servers/postgres.ts";
import { callOnce, type UnaryCall } from "../grpc.ts";
import type { BenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import type { Growth } from "./curves.ts";
import { startUserDataHub, userDataCall } from "./user-data-calls.ts";

const WHY =
  "Events of one user are one chain, so a single user's are written by one lane, one transaction after the other; with more users all lanes are busy. Each transaction locks, reads and writes a head for every user in it, so an event costs the more the fewer of its batch it shares a user with.";
const SIZES = [1, 10, 100, 1_000, 10_000];
const EVENTS_IN_CALL = 1_000;
/** Together as many events as one user may have waiting. */
const IN_FLIGHT = 2;
const SECONDS = 3;
const EVENT = {
  eventType: "trade_executed",
  eventJson: JSON.stringify({ symbol: "EURUSD", price: 1.0842, volume: 0.5, side: "buy", order: 4711 }),
};

/** What the number of users that write at once does to the writing of an event. */
export async function usersCurve(): Promise<Growth> {
  return await withServers(async (keep) => {
    const postgres = await keep(startPostgres({ own: true }));
    const { url } = await postgres.createDatabase();
    const hub = await keep(startUserDataHub(url));
    const rates: (readonly [number, number])[] = [];
    const costs: (readonly [number, number])[] = [];
    for (const users of SIZES) {
      const calls = callsOf(hub, users);
      await writeFor(calls, 1);
      const before = hub.cpuSeconds();
      const { events, seconds } = await writeFor(calls, SECONDS);
      rates.push([users, events / seconds]);
      costs.push([users, ((hub.cpuSeconds() - before) / events) * 1e6]);
    }
    return {
      why: WHY,
      file: "curve-users.svg",
      title: "More users who write",
      xName: "users",
      curves: [
        { name: "events stored per second", points: rates },
        { name: "CPU of an event in the hub, µs", points: costs },
      ],
    };
  });
}

// As many calls as it takes for every user to be in one.
function callsOf(hub: BenchHub, users: number): readonly UnaryCall[] {
  return Array.from({ length: Math.max(1, users / EVENTS_IN_CALL) }, (_, call) => {
    const events = Array.from({ length: EVENTS_IN_CALL }, (_event, at) => ({
      ...EVENT,
      userId: `of-${users}-${(call * EVENTS_IN_CALL + at) % users}`,
    }));
    return userDataCall(hub, "SaveUserEvents", SaveUserEventsRequestSchema, { events });
  });
}

async function writeFor(
  calls: readonly UnaryCall[],
  seconds: number,
): Promise<{ readonly events: number; readonly seconds: number }> {
  const began = performance.now();
  let made = 0;
  let events = 0;
  const write = async (): Promise<void> => {
    while (performance.now() - began < seconds * 1_000) {
      const call = calls[made++ % calls.length] as UnaryCall;
      const { results } = fromBinary(SaveUserEventsResponseSchema, await callOnce(call));
      const saved = results.filter(({ outcome }) => outcome.case === "saved").length;
      if (saved !== EVENTS_IN_CALL) throw new Error(`${saved} of ${EVENTS_IN_CALL} events were saved`);
      events += saved;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, write));
  return { events, seconds: (performance.now() - began) / 1_000 };
}
