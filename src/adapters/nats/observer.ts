import type { NatsObserver, ObservedNats, ObservedStream } from "../../health/observed-nats.ts";
import { type Seen, seen, unseen } from "../../health/seen.ts";
import { JetStreamApi, JetStreamError, type NatsPlace } from "./jetstream-api.ts";
import { observedStream, type StreamInfoJson } from "./stream-info.ts";

/** A page of streams as the server answers. */
interface StreamPage {
  readonly total: number;
  readonly limit: number;
  readonly streams: readonly StreamInfoJson[] | null;
  /** Streams of a cluster whose leader has said nothing. */
  readonly missing?: readonly string[];
  /** Streams that a server cannot run, with the reason. */
  readonly offline?: Readonly<Record<string, string>>;
}

interface Listing {
  readonly streams: Seen<ReadonlyMap<string, ObservedStream>>;
  readonly hiddenStreams: ReadonlyMap<string, string>;
}

/** The server of a cluster waits 4 s for the leaders of streams before it answers without them. */
const LIST_TIMEOUT_MS = 6_000;
/** 256 streams a page; a server with more than these pages is not seen as a whole. */
const PAGES_MAX = 64;

/** Looks at the NATS servers at a place. */
export function openNatsObserver(place: NatsPlace): NatsObserver {
  const api = new JetStreamApi(place, "central-hub health");
  return {
    observe: (signal) => observe(api, place, signal),
    close: () => api.close(),
  };
}

async function observe(api: JetStreamApi, place: NatsPlace, signal: AbortSignal): Promise<ObservedNats> {
  const time = Date.now();
  const { info } = await api.reach();
  signal.throwIfAborted();
  const listing = await listStreams(api, Math.max(place.timeoutMs, LIST_TIMEOUT_MS), signal);
  return {
    time,
    clusterId: info?.cluster ?? info?.server_id ?? "",
    serverVersion: info?.version ?? "",
    isCluster: info?.cluster !== undefined,
    ...listing,
  };
}

async function listStreams(api: JetStreamApi, timeoutMs: number, signal: AbortSignal): Promise<Listing> {
  try {
    // Tells within the shorter time that JetStream is off or silent.
    await api.ask("INFO", undefined);
    signal.throwIfAborted();
    const first = await page(api, 0, timeoutMs);
    const offsets: number[] = [];
    for (let offset = first.limit; offset < first.total; offset += first.limit) offsets.push(offset);
    if (offsets.length >= PAGES_MAX) return hidden(`${first.total} streams are more than the hub looks at`);
    signal.throwIfAborted();
    const others = await Promise.all(offsets.map((offset) => page(api, offset, timeoutMs)));
    return listed([first, ...others]);
  } catch (error) {
    if (error instanceof JetStreamError) return hidden(error.message);
    throw error;
  }
}

function page(api: JetStreamApi, offset: number, timeoutMs: number): Promise<StreamPage> {
  return api.ask<StreamPage>("STREAM.LIST", { offset }, timeoutMs);
}

// A stream whose servers are all gone is listed with its configuration, and with a state that nobody has seen.
function listed(pages: readonly StreamPage[]): Listing {
  const streams = new Map<string, ObservedStream>();
  const hiddenStreams = new Map<string, string>();
  for (const { streams: infos, missing = [], offline = {} } of pages) {
    for (const info of infos ?? []) streams.set(info.config.name, observedStream(info));
    for (const name of missing) hiddenStreams.set(name, "the servers that hold it do not answer");
    for (const [name, reason] of Object.entries(offline)) hiddenStreams.set(name, reason);
  }
  for (const name of hiddenStreams.keys()) streams.delete(name);
  return { streams: seen(streams), hiddenStreams };
}

function hidden(reason: string): Listing {
  return { streams: unseen(reason), hiddenStreams: new Map() };
}
