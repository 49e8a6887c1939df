import { cp } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { test } from "vitest";
import { liveThroughEverything } from "../client/watch-example.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { describeWith, goModules, goTool, goToolchain } from "../support/toolchains.ts";
import { exportProtos, output, repositoryPath } from "./clients/programs.ts";

const BUILD_TIMEOUT_MS = 300_000;

async function tools() {
  const go = await goToolchain();
  const plugins = [await goTool("protoc-gen-go"), await goTool("protoc-gen-go-grpc")];
  await goModules(repositoryPath("examples/go"));
  return { go, plugins };
}

await describeWith("examples/go/watch", tools, ({ go, plugins }) => {
  test(
    "follows, resumes, reports, and starts from its copy when the hub is down",
    async () => {
      const cwd = join(await temporaryDirectory(), "topics");
      await cp(repositoryPath("examples/go"), cwd, {
        recursive: true,
        filter: (source) => !/\/(stubs|protos)$/.test(source),
      });
      await exportProtos(join(cwd, "protos"));
      const PATH = [...plugins.map((path) => dirname(path)), process.env.PATH].join(delimiter);
      await output(repositoryPath("node_modules/.bin/buf"), ["generate"], { cwd, env: { PATH } });
      const built = join(cwd, "watch.bin");
      const build = ["build", "-mod=readonly", "-o", built, "./watch"];
      await output(go, build, { cwd, env: { GOWORK: "off" }, timeoutMs: BUILD_TIMEOUT_MS });
      await output(go, ["vet", "-mod=readonly", "./watch"], {
        cwd,
        env: { GOWORK: "off" },
        timeoutMs: BUILD_TIMEOUT_MS,
      });
      await liveThroughEverything({ command: [built] });
    },
    BUILD_TIMEOUT_MS,
  );
});
