import { askAll, formatEndpoint, readEndpoints } from "../../health/endpoints.ts";
import type { Probe } from "../../health/probe.ts";
import { explain, failure, ok, wrong } from "../../health/reading.ts";
import type { Target } from "../../health/targets.ts";
import { dial } from "./dial.ts";

/** Tells whether a TCP service takes connections. That it would answer, nobody can tell who does not speak with it. */
export function openTcpProbe({ address, timeoutMs }: Target): Probe {
  const endpoints = readEndpoints(address.replace(/^tcp:\/\//, ""), undefined);
  return {
    check: async (signal) => {
      const answers = await askAll(
        endpoints,
        async (endpoint, until) => void (await dial(endpoint, until)).destroy(),
        signal,
        timeoutMs,
      );
      const failed = answers.filter((answer) => "error" in answer);
      const [first] = failed;
      if (!first) return ok({});
      if (endpoints.length === 1) return failure(first.error, formatEndpoint(first.endpoint));
      const reasons = failed.map(({ endpoint, error }) => `${formatEndpoint(endpoint)}: ${explain(error)}`);
      return failed.length === endpoints.length ? wrong(reasons.join("; ")) : ok({}, reasons);
    },
    close: async () => {},
  };
}
