import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { GetUserDataRequestSchema } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { newEventId } from "../../src/data/event-id.ts";
import { failure } from "../rpc/release-hub.ts";
import { startTestHub } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { describeEngines } from "../support/user-data/engine.ts";

const PATIENT = { unaryDeadlineMs: 60_000 };

await describeEngines("UserDataService", (engine) => {
  const start = async () => {
    const { url } = await startTestHub({ ...engine().settings, ...PATIENT });
    return userDataClient(url);
  };

  it("saves an event and returns the same structure, and the same text", async () => {
    const client = await start();
    const eventData = {
      zero: -0,
      big: 1.5e300,
      deep: [{ a: null, b: [true, "é\u0000"] }],
      ["__proto__"]: { x: 1 },
    };
    const saved = await client.saveUserEvent({ userId: "u1", eventType: "trade_executed", eventData });
    expect(saved).toMatchObject({ dataType: "trades", sequence: 1n });
    const eventJson = '{ "price": 1.10000, "price": 1.2, "id": 12345678901234567890 }';
    await client.saveUserEvent({ userId: "u1", eventType: "trade_rejected", eventJson });

    const { events } = await client.getUserData({ userId: "u1", dataType: "trades", includeJson: true });
    expect(events.map((event) => event.eventType)).toEqual(["trade_rejected", "trade_executed"]);
    expect(events[0]?.eventJson).toBe(eventJson);
    expect(events[1]?.eventData).toEqual(eventData);
    expect(Object.is(events[1]?.eventData?.zero, -0)).toBe(true);
    expect(events[1]).toMatchObject({
      eventId: saved.eventId,
      recordTime: saved.recordTime,
      dataType: "trades",
    });
    const without = await client.getUserData({ userId: "u1", dataType: "trades" });
    expect(without.events[0]).toMatchObject({ eventJson: "", eventData: { price: 1.2 } });
  });

  it("takes an id as the key of idempotency, whatever order the keys of a structure have", async () => {
    const client = await start();
    const event = { userId: "u2", eventType: "deposit", eventId: newEventId() };
    const first = await client.saveUserEvent({ ...event, eventData: { a: 1, b: 2 } });
    const again = await client.saveUserEvent({
      ...event,
      eventId: event.eventId.toUpperCase(),
      eventData: { b: 2, a: 1 },
    });
    expect(again).toEqual(first);
    expect(await failure(client.saveUserEvent({ ...event, eventData: { a: 1 } }))).toMatchObject({
      code: "AlreadyExists",
      reason: "EVENT_CONFLICT",
    });
  });

  it("answers each event of a batch by itself, in the order of the request", async () => {
    const client = await start();
    const eventId = newEventId();
    const good = { userId: "u3", eventType: "login", eventJson: "{}" };
    const { results } = await client.saveUserEvents({
      events: [
        good,
        { ...good, eventType: "no_such" },
        { ...good, userId: "" },
        { ...good, userId: "a\u001fb" },
        { ...good, eventJson: "[]" },
        { ...good, eventId },
        { ...good, eventId },
        { ...good, eventId, eventJson: '{"other":1}' },
        { ...good, eventId: "not a uuid" },
        { ...good, userId: "u4" },
      ],
    });
    const told = results.map(({ outcome }) =>
      outcome.case === "saved"
        ? outcome.value.sequence
        : `${outcome.value?.reason} ${Code[outcome.value?.code ?? 0]}`,
    );
    expect(told).toEqual([
      1n,
      "UNKNOWN_EVENT_TYPE InvalidArgument",
      "INVALID_REQUEST InvalidArgument",
      "INVALID_REQUEST InvalidArgument",
      "INVALID_REQUEST InvalidArgument",
      2n,
      2n,
      "EVENT_CONFLICT AlreadyExists",
      "INVALID_REQUEST InvalidArgument",
      1n,
    ]);
  });

  it("names the known types when one is unknown", async () => {
    const client = await start();
    const saving = await failure(
      client.saveUserEvent({ userId: "u5", eventType: "x'; DROP TABLE hub.user_auth; --" }),
    );
    expect(saving).toMatchObject({ code: "InvalidArgument", reason: "UNKNOWN_EVENT_TYPE" });
    expect(saving.message).toContain("login");
    const reading = await failure(client.getUserData({ userId: "u5", dataType: "auth; DROP SCHEMA hub" }));
    expect(reading).toMatchObject({ code: "InvalidArgument", reason: "UNKNOWN_DATA_TYPE" });
    expect(reading.message).toContain("trades");
  });

  it("pages through everything once, whatever is added meanwhile", async () => {
    const client = await start();
    const add = (count: number) =>
      client.saveUserEvents({
        events: Array.from({ length: count }, (_, n) => ({
          userId: "u6",
          eventType: "command",
          eventJson: `{"n":${n}}`,
        })),
      });
    await add(250);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await client.getUserData({ userId: "u6", dataType: "commands", pageSize: 40, pageToken });
      seen.push(...page.events.map(({ eventId }) => eventId));
      pageToken = page.nextPageToken;
      await add(3);
    } while (pageToken !== "");
    expect(new Set(seen).size).toBe(250);
    expect(seen).toHaveLength(250);
    expect(seen).toEqual(seen.toSorted().toReversed());
  });

  it("keeps to its bounds of time", async () => {
    const client = await start();
    const now = Date.now();
    const ids = [now - 3000, now - 2000, now - 1000].map((ms) => newIdAt(ms));
    for (const eventId of ids) {
      await client.saveUserEvent({ userId: "u7", eventType: "transfer", eventId, eventJson: "{}" });
    }
    const query = { userId: "u7", dataType: "transactions" };
    const after = await client.getUserData({ ...query, afterTime: timestampFromMs(now - 2000) });
    expect(after.events.map(({ eventId }) => eventId)).toEqual([ids[2], ids[1]]);
    const before = await client.getUserData({ ...query, beforeTime: timestampFromMs(now - 2000) });
    expect(before.events.map(({ eventId }) => eventId)).toEqual([ids[0]]);
  });

  it("refuses a token of another user, another type, another bound, or a changed one, all with the same words", async () => {
    const client = await start();
    for (const userId of ["u8", "u9"]) {
      const events = [1, 2, 3].map((n) => ({ userId, eventType: "backtest", eventJson: `{"n":${n}}` }));
      await client.saveUserEvents({ events });
    }
    const query = { userId: "u8", dataType: "backtests", pageSize: 1 };
    const { nextPageToken } = await client.getUserData(query);
    const bytes = Buffer.from(nextPageToken, "base64url");
    const flipped = Array.from(bytes.keys(), (at) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy.toString("base64url");
    });
    const attacks = [
      { ...query, userId: "u9", pageToken: nextPageToken },
      { ...query, dataType: "trades", pageToken: nextPageToken },
      { ...query, afterTime: timestampFromMs(1), pageToken: nextPageToken },
      { ...query, beforeTime: timestampFromMs(Date.now() + 1000), pageToken: nextPageToken },
      { ...query, pageToken: `${nextPageToken}=` },
      { ...query, pageToken: "x" },
      { ...query, pageToken: "' OR 1=1" },
      ...flipped.map((pageToken) => ({ ...query, pageToken })),
    ];
    const told = new Set<string>();
    for (const attack of attacks) {
      const { code, message } = await failure(client.getUserData(create(GetUserDataRequestSchema, attack)));
      told.add(`${code} ${message}`);
    }
    expect([...told]).toEqual([expect.stringMatching(/^InvalidArgument page_token: is not one/)]);
    // The size of the page is not a part of the query.
    const rest = await client.getUserData({ ...query, pageSize: 10, pageToken: nextPageToken });
    expect(rest.events).toHaveLength(2);
  });

  it("follows a user from a position on, and exports everything", async () => {
    const client = await start();
    const save = (eventType: string, n: number) =>
      client.saveUserEvent({ userId: "u10", eventType, eventJson: `{"n":${n}}` });
    await save("login", 1);
    await save("trade", 2);
    const stop = new AbortController();
    const watched: bigint[] = [];
    const positions: bigint[] = [];
    const following = (async () => {
      const request = { userId: "u10", dataTypes: ["trades"], afterSequence: 0n };
      for await (const { events, sequence } of client.watchUserData(request, { signal: stop.signal })) {
        watched.push(...events.map((event) => event.sequence));
        positions.push(sequence);
        if (watched.length >= 3) stop.abort();
      }
    })().catch(() => {});
    await expect.poll(() => watched, { timeout: 10_000 }).toEqual([2n]);
    await save("trade", 3);
    await save("logout", 4);
    await save("trade", 5);
    await following;
    expect(watched).toEqual([2n, 3n, 5n]);
    expect(positions).toEqual(positions.toSorted((a, b) => Number(a - b)));

    const exported: bigint[] = [];
    let progress = "";
    for await (const { events, sent, total } of client.exportUserData({ userId: "u10" })) {
      exported.push(...events.map(({ sequence }) => sequence));
      progress = `${sent}/${total}`;
    }
    expect(exported).toEqual([1n, 2n, 3n, 4n, 5n]);
    expect(progress).toBe("5/5");
  });

  it("lets a token act for its own user, and for all with the scope for it", async () => {
    const issuer = await createIssuer();
    const { url } = await startTestHub({ ...engine().settings, ...issuer.settings, ...PATIENT });
    const rights = "userdata:read userdata:write";
    const own = userDataClient(url, await issuer.token(rights, { user_id: "alice" }));
    const all = userDataClient(url, await issuer.token(`${rights} userdata:all-users`));
    const unbound = userDataClient(url, await issuer.token(rights));
    const reader = userDataClient(url, await issuer.token("userdata:read", { user_id: "alice" }));
    const event = { userId: "alice", eventType: "login", eventJson: "{}" };
    const other = { ...event, userId: "bob" };
    const forbidden = { code: "PermissionDenied", reason: "USER_FORBIDDEN" };

    await own.saveUserEvent(event);
    await all.saveUserEvent(other);
    expect((await own.getUserData({ userId: "alice", dataType: "auth" })).events).toHaveLength(1);
    expect((await all.getUserData({ userId: "bob", dataType: "auth" })).events).toHaveLength(1);

    const toBob = await failure(own.saveUserEvent(other));
    expect(toBob).toMatchObject(forbidden);
    // The same for a user who is not there.
    expect((await failure(own.getUserData({ userId: "nobody", dataType: "auth" }))).message).toBe(
      toBob.message,
    );
    expect(await failure(own.getUserData({ userId: "bob", dataType: "auth" }))).toMatchObject(forbidden);
    expect(await failure(unbound.saveUserEvent(event))).toMatchObject(forbidden);
    expect(await failure(first(own.watchUserData({ userId: "bob" })))).toMatchObject(forbidden);
    expect(await failure(first(own.exportUserData({ userId: "bob" })))).toMatchObject(forbidden);
    expect(await failure(reader.saveUserEvent(event))).toMatchObject({ reason: "SCOPE_MISSING" });
    const { results } = await own.saveUserEvents({ events: [event, other] });
    expect(results.map(({ outcome }) => outcome.case)).toEqual(["saved", "error"]);
    expect(results[1]?.outcome.value).toMatchObject({
      reason: "USER_FORBIDDEN",
      code: Code.PermissionDenied,
    });
  });
});

async function first<Message>(messages: AsyncIterable<Message>): Promise<Message | undefined> {
  for await (const message of messages) return message;
  return undefined;
}

function newIdAt(ms: number): string {
  const hex = ms.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${newEventId().slice(15)}`;
}
