import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  ChangeAction,
  ChangeRisk,
  StepOutcome,
  TopologyChangeSchema,
} from "../../gen/centralhub/topology/v1/topology_pb.ts";
import {
  type ApplyFinishedSchema,
  type ApplyTopologyRequest,
  TopologyService,
} from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import { runCommand } from "../../src/cli/run.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { runCli } from "./run-cli.ts";

const change = create(TopologyChangeSchema, {
  ...{ id: "kafka/user.auth/alter", system: "kafka", resource: "user.auth", stepsLeft: 2 },
  ...{ action: ChangeAction.ALTER, risk: ChangeRisk.DESTRUCTIVE, summary: "sets retention.ms" },
  settings: [{ name: "retention.ms", before: "9", after: "6", declared: "3" }],
  warnings: ["records older than 6 ms are removed"],
  impact: { tenants: ["alice", "bob"], tenantCount: 7, dataTypes: ["auth"], consumerGroups: ["g\u001b[2J"] },
});

/** A hub that has this one change to make, and says this of its end; it keeps what it was asked to apply. */
async function hubWith(finished: MessageInitShape<typeof ApplyFinishedSchema>, refusal?: ConnectError) {
  const asked: ApplyTopologyRequest[] = [];
  const handler = connectNodeAdapter({
    routes: (router) => {
      router.service(TopologyService, {
        planTopology: () => ({
          token: "t",
          version: "phase2",
          revision: 7n,
          changes: [change],
          summary: { update: 1 },
        }),
        applyTopology: async function* (request) {
          asked.push(request);
          if (refusal) throw refusal;
          yield { event: { case: "started", value: { steps: 1 } } };
          yield { event: { case: "step", value: { change, number: 1, outcome: StepOutcome.DONE } } };
          yield { event: { case: "finished", value: finished } };
        },
      });
    },
  });
  const server = createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no address");
  return { url: `http://127.0.0.1:${address.port}`, asked };
}

describe("plan", () => {
  it("shows what changes, what to mind and who is touched, and nothing that steers the terminal", async () => {
    const { url } = await hubWith({});
    const { code, out, err } = await runCli(["plan", "--url", url]);
    expect(code).toBe(3);
    expect(out).toBe(
      [
        "~ kafka user.auth: alter  [DESTRUCTIVE]",
        "    retention.ms: 9 → 6, declared 3",
        "    mind: records older than 6 ms are removed",
        "    2 more applies needed after this one",
        "    groups: g\\u{1b}[2J",
        "    users: 7 read it now: alice, bob and 5 more",
        "    data types: auth\n",
      ].join("\n"),
    );
    expect(err).toBe("phase2, revision 7: 0 to make, 1 to change, 0 to remove, 0 impossible, 0 unchanged\n");
  });

  it("is refused where no broker is configured, with the remedy", async () => {
    const hub = await startTestHub();
    for (const command of [["plan"], ["apply", "--yes"], ["import", "--publish"]]) {
      const { code, err } = await runCli([...command, "--url", hub.url]);
      expect([code, err]).toEqual([1, expect.stringMatching(/address.*FAILED_PRECONDITION/)]);
    }
  });
});

describe("apply", () => {
  it.each([
    ["yes", true, 0, 1],
    ["no", false, 1, 0],
  ])("asks, and takes %s for an answer", async (_name, answer, expected, applies) => {
    const { url, asked } = await hubWith({ done: 1, converged: true });
    let question = "";
    const code = await runCommand(["apply", "--url", url], {
      ...{ env: {}, out: () => {}, err: () => {} },
      confirm: async (text) => {
        question = text;
        return answer;
      },
    });
    expect([code, asked.length, question]).toEqual([expected, applies, "carry it out?"]);
  });

  it("does not begin where there is nobody to ask", async () => {
    const { url, asked } = await hubWith({ converged: true });
    const { code, err } = await runCli(["apply", "--url", url]);
    expect([code, asked.length]).toEqual([2, 0]);
    expect(err).toMatch(/no terminal to ask on; say --yes/);
  });

  it.each([
    ["all went well", { done: 1, converged: true }, 0],
    ["a step failed", { failed: 1 }, 1],
    ["the brokers are not as declared", { done: 1, converged: false }, 3],
  ])("tells by its exit code that %s", async (_name, finished, code) => {
    const { url, asked } = await hubWith(finished);
    const flags = ["--yes", "--accept-destructive", "--lock-wait", "90s"];
    const ran = await runCli(["apply", ...flags, "--url", url]);
    expect(ran.code).toBe(code);
    expect(ran.err).toMatch(/\[1\/1\] kafka\/user\.auth\/alter: done\n/);
    expect(asked[0]).toMatchObject({ token: "t", acceptDestructive: true, lockWait: { seconds: 90n } });
  });

  it("says why it was refused, and shows what was kept of a plan", async () => {
    const stale = new ConnectError("the plan no longer holds", Code.FailedPrecondition);
    const { url } = await hubWith({}, stale);
    const directory = await temporaryDirectory();
    const file = join(directory, "plan.json");
    await runCli(["plan", "--out", file, "--url", url]);
    expect(await readFile(file, "utf8")).toContain('"token": "t"');
    const ran = await runCli(["apply", "--plan", file, "--yes", "--url", url]);
    expect(ran.out).toMatch(/user\.auth: alter/);
    expect([ran.code, ran.err]).toEqual([
      1,
      expect.stringMatching(/no longer holds \(FAILED_PRECONDITION\)/),
    ]);
    const none = await runCli(["apply", "--plan", join(directory, "other.json"), "--yes", "--url", url]);
    expect(none.code).toBe(1);
  });
});

it.each([
  [["plan", "--systems", "rabbit"], /--systems takes kafka, nats/],
  [["plan", "--retention-step", "soon"], /--retention-step takes a time such as 30d/],
  [["plan", "--retention-step", "5ms"], /at least 1 s/],
  [["plan", "now"], /one word too many/],
  [["apply", "--yes", "--lock-wait", "6m"], /at most 5m/],
  [["apply", "--yes", "--plan", "f", "--version", "phase2"], /--plan has its own --version/],
  [["import"], /--dir DIR or --publish/],
  [["import", "--dir", "d", "--publish"], /one of the two/],
])("%j is wrong usage", async (args, message) => {
  const { code, err } = await runCli(args);
  expect([code, err]).toEqual([2, expect.stringMatching(message)]);
});
