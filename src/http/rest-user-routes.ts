import type { JsonObject } from "@bufbuild/protobuf";
import type { UserData } from "../data/user-data.ts";
import type { ShownEvent } from "../data/user-event.ts";
import { HubError } from "../errors.ts";
import { admitToUser, type Caller, mayReadRestricted } from "./identity.ts";
import type { Content, RestRoute } from "./rest-routes.ts";

/** Who calls, and what the body holds; empty where the route reads none. */
export interface RestCall {
  readonly caller: Caller;
  readonly body: string;
  /** Ends the call's work when the caller goes away. */
  readonly signal: AbortSignal;
  /** By performance.now(), in milliseconds. */
  readonly deadline: number;
}

/** A route whose path names a user. */
export interface UserRoute {
  /** The path with its parameters in braces, for metrics. */
  readonly label: string;
  readonly route: RestRoute;
}

const PAGE = "/api/users/{user_id}/data/{data_type}";
const EVENTS = "/api/users/{user_id}/events";
const FIELDS = ["event_type", "event_data", "event_json", "event_id"];

/** The route of a user's path; undefined for any other path. Throws INVALID_REQUEST for one that cannot be read. */
export function userRoute(path: string, data: UserData): UserRoute | undefined {
  const [, user, dataType] = /^\/api\/users\/([^/]+)\/(?:data\/([^/]+)|events)$/.exec(path) ?? [];
  if (user === undefined) return undefined;
  const userId = decoded(user, "user_id");
  if (dataType === undefined) return { label: EVENTS, route: saveRoute(data, userId) };
  return { label: PAGE, route: pageRoute(data, userId, decoded(dataType, "data_type")) };
}

/** The paths, for whoever asks for one that is not there. */
export const USER_PATHS: readonly string[] = [PAGE, EVENTS];

function pageRoute(data: UserData, userId: string, dataType: string): RestRoute {
  return {
    need: { scope: "userdata:read" },
    parameters: ["limit", "page_token", "after", "before"],
    answer: async ({ limit = "", page_token: pageToken = "", after = "", before = "" }, { caller }) => {
      admitToUser(caller, userId);
      const hasRestricted = mayReadRestricted(caller);
      const wanted = { userId, dataType, pageSize: whole(limit), pageToken, hasRestricted };
      const bounds = { afterMs: moment(after, "after"), beforeMs: moment(before, "before") };
      const { page, nextPageToken } = await data.page({ ...wanted, ...bounds });
      const head = JSON.stringify({ status: "success", user_id: userId, data_type: dataType }).slice(0, -1);
      const next = JSON.stringify(nextPageToken);
      return json(`${head},"events":[${page.events.map(eventText).join(",")}],"next_page_token":${next}}\n`);
    },
  };
}

function saveRoute(data: UserData, userId: string): RestRoute {
  return {
    method: "POST",
    need: { scope: "userdata:write" },
    parameters: [],
    answer: async (_, { caller, body, ...patience }) => {
      admitToUser(caller, userId);
      const given = readEvent(body);
      const saved = await data.save({ userId, ...given }, patience);
      const { eventId, dataType, recordTimeUs, sequence } = saved;
      return {
        isOfTheMoment: true,
        json: {
          status: "success",
          event_id: eventId,
          data_type: dataType,
          record_time: isoTime(recordTimeUs),
          sequence: Number(sequence),
        },
      };
    },
  };
}

// The payload goes into the answer as it was stored, number by number.
function eventText({ eventId, eventType, recordTimeUs, sequence, hash, json: body }: ShownEvent): string {
  const head = JSON.stringify({
    event_id: eventId,
    event_type: eventType,
    record_time: isoTime(recordTimeUs),
    sequence: Number(sequence),
    hash,
  });
  return `${head.slice(0, -1)},"event_data":${body}}`;
}

function json(text: string): Content {
  return { contentType: "application/json; charset=utf-8", text, isOfTheMoment: true };
}

function readEvent(body: string) {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    throw invalid(
      `body: is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : String(error)}`,
    );
  }
  if (!isObject(value))
    throw invalid('body: must be an object such as {"event_type":"login","event_data":{}}');
  const strange = Object.keys(value).find((key) => !FIELDS.includes(key));
  if (strange !== undefined)
    throw invalid(`"${strange.slice(0, 64)}" is not a field; use: ${FIELDS.join(", ")}`);
  const { event_data: eventData } = value;
  if (eventData !== undefined && !isObject(eventData)) throw invalid("event_data: must be an object");
  return {
    eventType: text(value, "event_type"),
    eventId: text(value, "event_id"),
    eventJson: text(value, "event_json"),
    eventData: eventData as JsonObject | undefined,
  };
}

function text(value: Record<string, unknown>, field: string): string {
  const { [field]: found = "" } = value;
  if (typeof found !== "string") throw invalid(`${field}: must be a text`);
  return found;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function whole(limit: string): number {
  if (!/^\d{0,9}$/.test(limit)) throw invalid("limit: must be a whole number, 0 or more");
  return Number(limit);
}

function moment(value: string, field: string): number | undefined {
  if (value === "") return undefined;
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.test(value);
  const ms = isTime ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw invalid(`${field}: must be a time such as 2026-11-24T15:00:00Z`);
  return ms;
}

function isoTime(us: bigint): string {
  return new Date(Number(us / 1_000n)).toISOString();
}

function decoded(part: string, field: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(`${field}: is not percent-encoded UTF-8`);
  }
}

function invalid(message: string): HubError {
  return new HubError("INVALID_REQUEST", message);
}
