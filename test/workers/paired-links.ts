import { EventEmitter } from "node:events";
import { Link, type LinkPort } from "../../src/workers/link.ts";

/** The two ends of a channel between two processes, in one: what is sent arrives later, in order, as a copy. */
export function pairedPorts(): readonly [LinkPort, LinkPort] {
  const ends = [new EventEmitter(), new EventEmitter()] as const;
  const port = (own: EventEmitter, other: EventEmitter): LinkPort => ({
    send: (message, onSent) => {
      const copy = structuredClone(message);
      setImmediate(() => other.emit("message", copy));
      onSent(null);
    },
    on: (event, listener) => own.on(event, listener),
  });
  return [port(ends[0], ends[1]), port(ends[1], ends[0])];
}

/** A link to what answers with `theirs`. */
export function linkTo<Theirs extends object>(theirs: Theirs): Link<Theirs> {
  const [here, there] = pairedPorts();
  new Link(there, theirs);
  return new Link<Theirs>(here, {});
}
