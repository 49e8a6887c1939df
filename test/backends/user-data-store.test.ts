import { expect, it } from "vitest";
import { eventHash } from "../../src/data/event-hash.ts";
import { newEventId } from "../../src/data/event-id.ts";
import { sha256 } from "../../src/data/sha256.ts";
import { NO_HASH } from "../../src/data/user-event.ts";
import { describeEngines } from "../support/user-data/engine.ts";
import { newEvent, wholePage } from "../support/user-data/events.ts";

await describeEngines("a store of user events", (engine) => {
  it("gives each user a sequence without gaps over all data types, and a chain that can be computed again", async () => {
    const store = engine().store();
    const first = await store.append([
      newEvent("chain-a"),
      newEvent("chain-b"),
      newEvent("chain-a", { table: "user_auth", eventType: "login", text: '{"ip":"::1"}' }),
    ]);
    const second = await store.append([
      newEvent("chain-a", { table: "user_settings", eventType: "settings" }),
    ]);
    expect([...first, ...second].map((each) => (typeof each === "string" ? each : each.sequence))).toEqual([
      1n,
      1n,
      2n,
      3n,
    ]);

    const events = await store.after("chain-a", ["user_trades", "user_auth", "user_settings"], 0n);
    expect(events.map(({ sequence, table }) => [sequence, table])).toEqual([
      [1n, "user_trades"],
      [2n, "user_auth"],
      [3n, "user_settings"],
    ]);
    let previous = NO_HASH;
    for (const event of events) {
      const bodySha256 = sha256(event.body);
      expect(event.previousHash).toEqual(previous);
      expect(event.hash).toEqual(eventHash({ ...event, bodySha256 }, previous));
      previous = event.hash;
    }
    const head = (await store.heads(["chain-a", "nobody"])).get("chain-a");
    expect(head).toEqual({ sequence: 3n, hash: previous });
  });

  it("answers an id that comes again as before, and refuses it with other content", async () => {
    const store = engine().store();
    const event = newEvent("again");
    const [saved] = await store.append([event]);
    const others = [
      event,
      newEvent("again", { eventId: event.eventId, text: '{"symbol":"GBPUSD"}' }),
      newEvent("again", { eventId: event.eventId, eventType: "trade_rejected" }),
      newEvent("again", { eventId: event.eventId, table: "user_auth", eventType: "login" }),
      newEvent("again"),
    ];
    const outcomes = await store.append(others);
    expect(outcomes.slice(0, 4)).toEqual([
      Object.assign({ isRepeat: true }, saved),
      ...["conflict", "conflict", "conflict"],
    ]);
    expect(outcomes[4]).toMatchObject({ sequence: 2n });
    expect((await store.page(wholePage("again"))).events).toHaveLength(2);
  });

  it("sees what stands twice in one batch", async () => {
    const store = engine().store();
    const event = newEvent("twice");
    const other = newEvent("twice", { eventId: event.eventId, text: "{}" });
    const outcomes = await store.append([event, event, other]);
    expect(outcomes[1]).toEqual(Object.assign({ isRepeat: true }, outcomes[0]));
    expect(outcomes[2]).toBe("conflict");
    expect(await store.count("twice", ["user_trades"])).toBe(1n);
  });

  it("lets one user have an id that another has, and tells neither of the other", async () => {
    const store = engine().store();
    const eventId = newEventId();
    const [a] = await store.append([newEvent("covert-a", { eventId, text: '{"secret":1}' })]);
    const [b] = await store.append([newEvent("covert-b", { eventId })]);
    expect([a, b]).toEqual([
      expect.objectContaining({ sequence: 1n }),
      expect.objectContaining({ sequence: 1n }),
    ]);
    const [own] = (await store.page(wholePage("covert-b"))).events;
    expect(own?.json).toBe('{"symbol":"EURUSD"}');
  });

  it("stores nothing of a batch with an event that the database does not take", async () => {
    const store = engine().store();
    // A month for which there is no partition.
    const lost = newEvent("poison", { eventId: "00000000-0000-7000-8000-000000000000" });
    const error = await store
      .append([newEvent("poison"), lost, newEvent("healthy")])
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ message: expect.stringContaining("event_id: its time lies in a month") });
    expect(error).not.toHaveProperty("reason");
    expect(await store.count("poison", ["user_trades"])).toBe(0n);
    expect((await store.heads(["poison", "healthy"])).size).toBe(0);
  });

  it("keeps payloads byte for byte", async () => {
    const store = engine().store();
    const texts = [
      '{ "b":1.0,\n"a": 1e2, "a": 0.10 }',
      '{"\\u0000":"\\ud800"}',
      `{"é":"${"x".repeat(20_000)}"}`,
    ];
    await store.append(texts.map((text) => newEvent("exact", { text })));
    const { events } = await store.page(wholePage("exact"));
    expect(events.map(({ json }) => json).toReversed()).toEqual(texts);
  });

  it("pages newest first, within its time bounds and its bytes", async () => {
    const store = engine().store();
    const now = Date.now();
    const ids = Array.from({ length: 25 }, (_, index) => newEventId(now + index + 1));
    await store.append(
      ids.map((eventId) => newEvent("pages", { eventId, text: `{"n":"${"x".repeat(1000)}"}` })),
    );
    const first = await store.page({ ...wholePage("pages"), events: 10 });
    expect(first.events.map(({ eventId }) => eventId)).toEqual(ids.slice(15).toReversed());
    expect(first.isMore).toBe(true);
    const last = await store.page({ ...wholePage("pages"), beforeId: ids[10] ?? "", events: 10 });
    expect(last).toMatchObject({ isMore: false });
    expect(last.events).toHaveLength(10);
    const bounded = await store.page({ ...wholePage("pages"), fromId: ids[5] ?? "", beforeId: ids[8] ?? "" });
    expect(bounded.events.map(({ eventId }) => eventId)).toEqual(ids.slice(5, 8).toReversed());
    const small = await store.page({ ...wholePage("pages"), bytes: 2_500 });
    expect([small.events.length, small.isMore]).toEqual([2, true]);
    const least = await store.page({ ...wholePage("pages"), bytes: 1 });
    expect([least.events.length, least.isMore]).toEqual([1, true]);
  });

  it("begins the histories of new users in many batches at a time, among those of others", async () => {
    const store = engine().store();
    const old = ["met-a", "met-m", "met-z"];
    await store.append(old.map((userId) => newEvent(userId)));
    const batches = Array.from({ length: 12 }, (_, batch) => {
      // Each new user is in two batches, and each batch has its users in another order.
      const fresh = [`met-b${batch % 6}`, `met-y${(batch + 1) % 6}`];
      const users = [...old, ...fresh];
      return [...users.slice(batch % 5), ...users.slice(0, batch % 5)];
    });
    await Promise.all(batches.map((users) => store.append(users.map((userId) => newEvent(userId)))));
    const heads = await store.heads(batches.flat());
    expect(old.map((userId) => heads.get(userId)?.sequence)).toEqual([13n, 13n, 13n]);
    expect(heads.size).toBe(15);
    for (const userId of heads.keys()) {
      const events = await store.after(userId, ["user_trades"], 0n);
      const sequences = events.map(({ sequence }) => sequence);
      expect(sequences).toEqual(sequences.map((_, index) => BigInt(index + 1)));
      expect(sequences.at(-1)).toBe(heads.get(userId)?.sequence);
    }
  });

  it("makes one row of a hundred saves of one event at the same time", async () => {
    const store = engine().store();
    const event = newEvent("storm");
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => store.append([event])));
    expect(
      new Set(outcomes.map(([outcome]) => JSON.stringify(outcome, (_, value) => String(value)))).size,
    ).toBe(1);
    expect(await store.count("storm", ["user_trades"])).toBe(1n);
  });

  it("writes no outbox row that nobody has asked for", async () => {
    await engine()
      .store()
      .append([newEvent("no-outbox")]);
    expect(await engine().admin("SELECT * FROM hub.outbox")).toEqual([]);
  });
});

await describeEngines(
  "a store with an outbox",
  (engine) => {
    it("notes each new event once, in the order of sequences, in the shard of its user", async () => {
      const store = engine().store();
      const event = newEvent("noted");
      await store.append([
        event,
        event,
        newEvent("noted", { table: "user_auth", eventType: "login", dataType: "auth" }),
      ]);
      await store.append([event]);
      const rows = await engine().admin(
        "SELECT user_id, seq, topic, event_id, event_type, data_type, table_name, shard = hub.bucket_of(user_id) % 16 AS placed FROM hub.outbox ORDER BY id",
      );
      expect(rows).toMatchObject([
        {
          user_id: "noted",
          seq: "1",
          event_id: event.eventId,
          topic: "user.trades",
          table_name: "user_trades",
          placed: true,
        },
        {
          user_id: "noted",
          seq: "2",
          event_type: "login",
          data_type: "auth",
          table_name: "user_auth",
          placed: true,
        },
      ]);
    });

    it("makes one row of a hundred saves of one event at the same time, and one of the outbox", async () => {
      const store = engine().store();
      const event = newEvent("storm");
      await Promise.all(Array.from({ length: 100 }, () => store.append([event])));
      expect(await store.count("storm", ["user_trades"])).toBe(1n);
      expect(await engine().admin("SELECT seq, event_id FROM hub.outbox WHERE user_id = 'storm'")).toEqual([
        { seq: "1", event_id: event.eventId },
      ]);
    });
  },
  { hasOutbox: true },
);
