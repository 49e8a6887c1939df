import { expect, it } from "vitest";
import { newEventId } from "../../src/data/event-id.ts";
import { startTestHub } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";
import { describeEngines } from "../support/user-data/engine.ts";

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: { readonly [field: string]: unknown };
}

async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, text, body: JSON.parse(text) as Answer["body"] };
}

function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return call(url, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), headers });
}

// Ids that programs have stumbled over.
const STRANGE_USERS = [
  "'; DROP TABLE hub.user_auth; --",
  '"quoted"',
  "a\\b%_",
  "<script>",
  "аlice",
  "alice ",
  "ALICE",
  "e\u0301",
  "\u00e9",
  "\u202etxt",
  "user/../../etc",
  "null",
  "🎲".repeat(64),
];

await describeEngines("user data over REST", (engine) => {
  const start = async () => (await startTestHub({ ...engine().settings, unaryDeadlineMs: 60_000 })).url;

  it("saves and pages, and gives payloads back number by number", async () => {
    const url = `${await start()}/api/users/rest-1`;
    const eventId = newEventId();
    const first = await post(`${url}/events`, {
      event_type: "trade",
      event_id: eventId,
      event_json: '{"p":1.10,"n":12345678901234567890}',
    });
    expect(first).toMatchObject({
      status: 200,
      body: { status: "success", event_id: eventId, data_type: "trades", sequence: 1 },
    });
    const again = await post(`${url}/events`, {
      event_type: "trade",
      event_id: eventId,
      event_json: '{"p":1.10,"n":12345678901234567890}',
    });
    expect(again.body).toEqual(first.body);
    await post(`${url}/events`, { event_type: "trade", event_data: { n: 2 } });
    const page = await call(`${url}/data/trades?limit=1`);
    expect(page.body).toMatchObject({
      user_id: "rest-1",
      data_type: "trades",
      events: [{ sequence: 2, event_data: { n: 2 } }],
    });
    const rest = await call(`${url}/data/trades?limit=5&page_token=${page.body.next_page_token}`);
    expect(rest.text).toContain('"event_data":{"p":1.10,"n":12345678901234567890}');
    expect(rest.body.next_page_token).toBe("");
    expect((await call(`${url}/data/trades?before=2020-01-01`)).body.events).toEqual([]);
  });

  it("says what is wrong, with the status for it", async () => {
    const url = `${await start()}/api/users/rest-2`;
    const eventId = newEventId();
    await post(`${url}/events`, { event_type: "login", event_id: eventId, event_data: {} });
    const answers = await Promise.all([
      post(`${url}/events`, { event_type: "login", event_id: eventId, event_data: { other: 1 } }),
      post(`${url}/events`, { event_type: "nope", event_data: {} }),
      post(`${url}/events`, "no json"),
      post(`${url}/events`, { event_type: "login", event_data: {}, user_id: "bob" }),
      post(`${url}/events`, { event_type: "login", event_data: [] }),
      call(`${url}/events`),
      post(`${url}/data/trades`, {}),
      call(`${url}/data/nope`),
      call(`${url}/data/trades?limit=-1`),
      call(`${url}/data/trades?after=yesterday`),
      call(`${url}/data/trades?page_token=x`),
      call(`${url}/data/trades?user_id=bob`),
      call(`${url}%zz/data/trades`),
      post(`${url}/events`, `{"event_type":"login","event_json":"${"x".repeat(1_100_000)}"}`),
    ]);
    expect(answers.map(({ status, body }) => `${status} ${body.reason}`)).toEqual([
      "409 EVENT_CONFLICT",
      "400 UNKNOWN_EVENT_TYPE",
      "400 INVALID_REQUEST",
      "400 INVALID_REQUEST",
      "400 INVALID_REQUEST",
      "405 METHOD_NOT_ALLOWED",
      "405 METHOD_NOT_ALLOWED",
      "400 UNKNOWN_DATA_TYPE",
      "400 INVALID_REQUEST",
      "400 INVALID_REQUEST",
      "400 INVALID_REQUEST",
      "400 INVALID_REQUEST",
      "400 INVALID_REQUEST",
      "413 REQUEST_TOO_LARGE",
    ]);
  });

  it("keeps users apart whose names look alike or look like something else", async () => {
    const url = await start();
    for (const user of STRANGE_USERS) {
      const path = `${url}/api/users/${encodeURIComponent(user)}`;
      const saved = await post(`${path}/events`, { event_type: "login", event_data: { user } });
      expect([user, saved.status, saved.body.sequence]).toEqual([user, 200, 1]);
    }
    for (const user of STRANGE_USERS) {
      const { body } = await call(`${url}/api/users/${encodeURIComponent(user)}/data/auth`);
      expect(body).toMatchObject({ user_id: user, events: [{ event_data: { user } }] });
      expect(body.events).toHaveLength(1);
    }
    for (const user of ["a\u0000b", "a\u001fb", "x".repeat(129)]) {
      const refused = await call(`${url}/api/users/${encodeURIComponent(user)}/data/auth`);
      expect([user.length, refused.status]).toEqual([user.length, 400]);
    }
  });

  it("asks the token for the user", async () => {
    const issuer = await createIssuer();
    const { url } = await startTestHub({ ...engine().settings, ...issuer.settings, unaryDeadlineMs: 60_000 });
    const token = await issuer.token("userdata:read userdata:write", { user_id: "ann" });
    const headers = { authorization: `Bearer ${token}` };
    const event = { event_type: "login", event_data: {} };
    expect(await post(`${url}/api/users/ann/events`, event, headers)).toMatchObject({ status: 200 });
    expect(await post(`${url}/api/users/bob/events`, event, headers)).toMatchObject({
      status: 403,
      body: { reason: "USER_FORBIDDEN" },
    });
    expect(await call(`${url}/api/users/bob/data/auth`, { headers })).toMatchObject({ status: 403 });
    expect(await call(`${url}/api/users/ann/data/auth`)).toMatchObject({ status: 401 });
  });

  it("is named by readiness, with what it survives", async () => {
    const { body } = await call(`${await start()}/readyz`);
    const durability = engine().kind === "PGlite" ? "process-crash-only" : "server";
    expect(body.user_data).toEqual([expect.objectContaining({ durability })]);
  });
});
