import { readFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  SaveUserEventsRequestSchema,
  SaveUserEventsResponseSchema,
  UserDataService,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { call, client as http2Client } from "../http2/support.ts";
import { startReleaseHub } from "../rpc/release-hub.ts";
import { startTestHub } from "../support/hub.ts";
import { PREFACE } from "../support/raw-peer.ts";
import { createIssuer } from "../support/tokens.ts";
import { userDataClient } from "../support/user-data/clients.ts";

// Calls with many events are read, stored and answered in the thread of the embedded database.

const PATIENT = { unaryDeadlineMs: 60_000 };
const trade = (userId: string, n: number) => ({
  userId,
  eventType: "trade_executed",
  eventJson: `{"n":${n}}`,
});

async function start() {
  const { url } = await startTestHub(PATIENT);
  const client = userDataClient(url);
  const outcomes = async (): Promise<Record<string, number>> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const lines = text.matchAll(/^hub_userdata_events_total\{outcome="(.*?)"\} (\d+)$/gm);
    return Object.fromEntries([...lines].map(([, outcome = "", count]) => [outcome, Number(count)]));
  };
  return { url, client, outcomes };
}

it("calls with many events and with one, of the same users at the same time, leave histories without gaps", async () => {
  const { client, outcomes } = await start();
  const user = fc.constantFrom("a", "b", "c", "d");
  const calls = fc.array(fc.array(user, { minLength: 1, maxLength: 70 }), { minLength: 1, maxLength: 8 });
  let run = 0;
  let saved = 0;
  await fc.assert(
    fc.asyncProperty(calls, async (all) => {
      run += 1;
      const sequences = new Map<string, bigint[]>();
      const note = (userId: string, sequence: bigint): void => {
        saved += 1;
        sequences.set(userId, [...(sequences.get(userId) ?? []), sequence]);
      };
      await Promise.all(
        all.map(async (users) => {
          const events = users.map((userId, n) => trade(`${run}-${userId}`, n));
          const [first] = events;
          if (events.length < 20) {
            for (const event of events) note(event.userId, (await client.saveUserEvent(event)).sequence);
            return;
          }
          const bad = { ...trade(first?.userId ?? "", 0), eventJson: "[]" };
          const { results } = await client.saveUserEvents({ events: [...events, bad] });
          for (const [at, { outcome }] of results.entries()) {
            if (at === events.length) expect(outcome.case).toBe("error");
            else if (outcome.case === "saved") note(events[at]?.userId ?? "", outcome.value.sequence);
            else throw new Error(outcome.value?.message);
          }
        }),
      );
      for (const [userId, own] of sequences) {
        const expected = own.map((_, at) => BigInt(at + 1));
        expect(own.toSorted((a, b) => Number(a - b))).toEqual(expected);
        const history = await client.verifyUserHistory({ userId });
        expect(history).toMatchObject({ intact: true, newestSequence: BigInt(own.length) });
      }
    }),
    { numRuns: 15 },
  );
  expect((await outcomes()).saved).toBe(saved);
});

it("who follows a user is sent what comes so", async () => {
  const { client } = await start();
  const stop = new AbortController();
  const seen: bigint[] = [];
  const following = (async () => {
    const request = { userId: "followed", afterSequence: 0n };
    for await (const { events } of client.watchUserData(request, { signal: stop.signal })) {
      seen.push(...events.map(({ sequence }) => sequence));
      if (seen.length >= 100) stop.abort();
    }
  })().catch(() => {});
  const events = Array.from({ length: 50 }, (_, n) => trade("followed", n));
  await client.saveUserEvents({ events });
  await client.saveUserEvents({ events });
  await following;
  expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => BigInt(at + 1)));
});

it("a caller acts for those that its token lets it act for, event by event", async () => {
  const issuer = await createIssuer();
  const { url } = await startTestHub({ ...issuer.settings, ...PATIENT });
  const own = userDataClient(url, await issuer.token("userdata:write", { user_id: "alice" }));
  const { results } = await own.saveUserEvents({
    events: [trade("alice", 1), trade("bob", 2), trade("alice", 3)],
  });
  expect(results.map(({ outcome }) => outcome.value)).toMatchObject([
    { sequence: 1n },
    { reason: "USER_FORBIDDEN" },
    { sequence: 2n },
  ]);
});

it("events go where the newest configuration says", async () => {
  const { url, releases } = await startReleaseHub(PATIENT);
  const client = userDataClient(url);
  const save = async () => {
    const events = ["trade_executed", "trade_settled"].map((eventType) => ({ ...trade("r", 1), eventType }));
    const { results } = await client.saveUserEvents({ events });
    return results.map(({ outcome }) => (outcome.case === "error" ? outcome.value.reason : outcome.case));
  };
  expect(await save()).toEqual(["saved", "UNKNOWN_EVENT_TYPE"]);
  const path = "data-routes.yaml";
  const shipped = await readFile(join(import.meta.dirname, "../../configs", path), "utf8");
  const text = shipped.replace("- trade_executed\n", "- trade_executed\n      - trade_settled\n");
  await releases.publishConfig({ documents: { [path]: text }, expectedRevision: 1n });
  expect(await save()).toEqual(["saved", "saved"]);
});

it.each([
  ["gRPC", (baseUrl: string) => createGrpcTransport({ baseUrl })],
  ["Connect over HTTP/1.1", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
])("what nobody waits for any more is not stored: %s", async (_, transport) => {
  const { url, outcomes } = await start();
  const client = createClient(UserDataService, transport(url));
  await client.saveUserEvents({ events: [trade("left", 0)] });
  const leave = new AbortController();
  const events = Array.from({ length: 1_000 }, (_, n) => trade("left", n));
  const calls = Array.from({ length: 10 }, () =>
    client.saveUserEvents({ events }, { signal: leave.signal }).catch(() => "left"),
  );
  await expect
    .poll(async () => (await client.getUserData({ userId: "left", dataType: "trades" })).events.length, {
      interval: 1,
    })
    .toBeGreaterThan(1);
  leave.abort();
  expect(await Promise.all(calls)).toContain("left");
  const all = async () => {
    const { saved = 0, DEADLINE_EXCEEDED: late = 0 } = await outcomes();
    return { saved, late };
  };
  await expect.poll(async () => (await all()).late, { timeout: 30_000 }).toBeGreaterThan(0);
  await expect
    .poll(async () => Object.values(await all()).reduce((a, b) => a + b, 0), { timeout: 30_000 })
    .toBe(10_001);
  expect((await all()).saved).toBeLessThan(10_001);
});

it("a body that comes by itself, its header before it, is stored, and what follows on its connection is answered", async () => {
  const { url } = await start();
  const session = http2Client(payloadsApart(Number(new URL(url).port)));
  // One frame each. Without an envelope, and with one.
  for (const [type, envelope] of [
    ["application/proto", 0],
    ["application/grpc", 5],
  ] as const) {
    for (let round = 0; round < 3; round++) {
      const events = Array.from({ length: 150 }, (_, n) => trade("apart", n));
      const message = toBinary(SaveUserEventsRequestSchema, create(SaveUserEventsRequestSchema, { events }));
      const body = Buffer.alloc(envelope + message.length);
      if (envelope > 0) body.writeUInt32BE(message.length, 1);
      body.set(message, envelope);
      const path = "/centralhub.userdata.v1.UserDataService/SaveUserEvents";
      const headers = { ":path": path, "content-type": type, te: "trailers" };
      const answers = await Promise.all([call(session, headers, body), call(session, headers, body)]);
      for (const answer of answers) {
        const { results } = fromBinary(SaveUserEventsResponseSchema, answer.body.subarray(envelope));
        expect(results.map(({ outcome }) => outcome.case)).toEqual(events.map(() => "saved"));
      }
    }
  }
});

// A connection on which the payloads of frames come apart from what stands before them.
function payloadsApart(port: number): Duplex {
  const socket = connectTcp(port, "127.0.0.1").setNoDelay();
  let rest = Buffer.alloc(0);
  let hasGreeted = false;
  const connection = new Duplex({
    read() {},
    async write(chunk: Buffer, _encoding, done) {
      rest = Buffer.concat([rest, chunk]);
      if (!hasGreeted && rest.length >= PREFACE.length) {
        hasGreeted = true;
        socket.write(rest.subarray(0, PREFACE.length));
        rest = rest.subarray(PREFACE.length);
      }
      while (hasGreeted && rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const end = 9 + rest.readUIntBE(0, 3);
        socket.write(rest.subarray(0, 9));
        await sleep(20);
        if (end > 9) socket.write(rest.subarray(9, end));
        await sleep(20);
        rest = rest.subarray(end);
      }
      done();
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (chunk) => connection.push(chunk));
  socket.on("error", () => {});
  return connection;
}
