import { NatsError } from "nats";
import { expect, it, vi } from "vitest";
import type { NatsLink } from "../../../src/adapters/nats/link.ts";
import type { RevisionStream, StreamEnd } from "../../../src/adapters/nats/revision-stream.ts";
import { StreamFollower } from "../../../src/adapters/nats/stream-follower.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";

const EMPTY: StreamEnd = { last: 0, created: "2026-11-28T00:00:00Z" };

function notFound(): NatsError {
  const error = new NatsError("stream not found", "404");
  error.api_error = { code: 404, err_code: 10059, description: "stream not found" };
  return error;
}

/** A follower of a stream of which these are said, one after the other, and the last one from then on. */
function followerOf(...said: (StreamEnd | Error)[]) {
  const end = vi.fn(async () => {
    const next = said.length > 1 ? said.shift() : said[0];
    if (next instanceof Error) throw next;
    return next;
  });
  const stream = { name: "TEST", onStored: () => {}, end } as unknown as RevisionStream;
  let lose = (): void => {};
  const link = { onUp: () => {}, onDown: (listener: () => void) => (lose = listener) } as unknown as NatsLink;
  const follower = new StreamFollower(link, stream, silentLogger, Date.now, {
    entry: () => {},
    status: () => {},
  });
  return { follower, end, lose: () => lose() };
}

it("a server that has not heard of a stream made a moment ago is asked again", async () => {
  const { follower, end } = followerOf(notFound(), notFound(), EMPTY);
  await follower.start();
  follower.stop();
  expect(end).toHaveBeenCalledTimes(3);
});

it("a stream that is not there is not waited for for ever", async () => {
  const { follower } = followerOf(notFound());
  const started = follower.start();
  await expect(started).rejects.toThrow(/stream not found/);
});

it("a stream that was there a moment ago, and is not, is missed at once", async () => {
  const { follower, end } = followerOf(EMPTY, notFound());
  await follower.start();
  await follower.sync();
  follower.stop();
  expect(end).toHaveBeenCalledTimes(2);
  expect(follower.status).toMatchObject({
    reachable: false,
    reason: expect.stringMatching(/stream not found/),
  });
});
