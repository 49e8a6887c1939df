import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { type BundledDocuments, bundledCopy } from "./bundled.ts";
import type { Address, Protocol, TlsOptions, Token } from "./connection.ts";
import type { Copy } from "./copy.ts";
import type { Following } from "./follower.ts";
import type { Apply } from "./keeper.ts";

/** How a client is set up. Times are in milliseconds. */
export interface HubClientOptions {
  /** The hub, such as "http://central-hub:7000". */
  readonly url: string;
  /** The service's name, as the hub's infrastructure.yaml has it. */
  readonly service: string;
  /** A name of this process, unique within the service. Left out: one is made of host, process and chance. */
  readonly instance?: string;
  /** The systems to follow. Left out, or empty: all. */
  readonly systems?: readonly ("nats" | "kafka" | "zookeeper")[];
  /** The version to follow, such as "phase2". Left out: the hub's flags choose, and may move it. */
  readonly version?: string;
  /** What to show a hub that asks for a token. A function is asked again when the hub does not take its token. */
  readonly token?: Token;
  /** Where the last good copy is kept. Left out: nowhere, and a start without the hub has the bundled value alone. */
  readonly cacheDirectory?: string;
  /** What to run on when neither the hub nor a copy is there. */
  readonly bundled?: BundledDocuments;
  /** Takes a value into use, one at a time; throws to refuse it, and then the value before stays. */
  readonly apply?: Apply;
  /** Hears of everything that goes wrong and is tried again, of refused values and of listeners that threw. */
  readonly onError?: (error: Error) => void;
  /** Left out: "grpc". */
  readonly protocol?: Protocol;
  readonly tls?: TlsOptions;
  /** How long a silent hub is waited for before the copy at hand is taken; a hub that is down is not waited for. */
  readonly graceMs?: number;
  /** Time without a message after which the connection is held for dead. Left out: 45 s, three bookmarks. */
  readonly livenessMs?: number;
}

/** Options that have been checked, with nothing left out. */
export interface CheckedOptions {
  readonly address: Address;
  readonly following: Following;
  readonly token: Token | undefined;
  readonly cacheDirectory: string | undefined;
  readonly bundled: Copy | undefined;
  readonly apply: Apply | undefined;
  readonly onError: (error: Error) => void;
  readonly graceMs: number;
  readonly livenessMs: number;
}

const GRACE_MS = 1_000;
const LIVENESS_MS = 45_000;
const NAME_MAX = 128;

/** Checks options. Throws a TypeError that names the one that is wrong. */
export function checkOptions(options: HubClientOptions): CheckedOptions {
  const { token, cacheDirectory, apply, onError = () => {}, protocol = "grpc", tls = {} } = options;
  const systems = [...new Set(options.systems ?? [])];
  const following = {
    systems,
    service: name("service", options.service),
    instance: name("instance", options.instance ?? instanceName()),
    version: options.version ?? "",
  };
  return {
    address: { url: address(options.url), protocol, tls },
    following,
    token,
    cacheDirectory,
    bundled: options.bundled && bundledCopy(options.bundled, systems),
    apply,
    onError,
    graceMs: time("graceMs", options.graceMs ?? GRACE_MS),
    livenessMs: time("livenessMs", options.livenessMs ?? LIVENESS_MS),
  };
}

function address(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // A password in the URL would end up in messages.
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.password) {
    throw new TypeError("url: not the address of a hub; write it like http://127.0.0.1:7000");
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, "");
}

function name(option: string, value: string): string {
  if (value === "" || [...value].length > NAME_MAX) {
    throw new TypeError(`${option}: give a name of 1 to ${NAME_MAX} characters`);
  }
  return value;
}

function time(option: string, value: number): number {
  // Node's timers hold no more than 31 bits.
  if (!(value >= 0 && value < 2 ** 31)) throw new TypeError(`${option}: give milliseconds`);
  return value;
}

function instanceName(): string {
  return `${hostname().slice(0, 80)}-${process.pid}-${randomBytes(4).toString("hex")}`;
}
