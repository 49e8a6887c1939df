import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "vitest";
import { liveThroughEverything } from "../client/watch-example.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { describeWith, pythonWithGrpc } from "../support/toolchains.ts";
import { exportProtos, output, repositoryPath } from "./clients/programs.ts";

await describeWith("examples/python/watch_config.py", pythonWithGrpc, (python) => {
  test("follows, resumes, reports, and starts from its copy when the hub is down", async () => {
    const work = await temporaryDirectory();
    const protos = join(work, "protos");
    const stubs = join(work, "stubs");
    await mkdir(stubs);
    await exportProtos(protos);
    const files = `$(cd ${protos} && find centralhub buf -name '*.proto')`;
    const protoc = `${python} -m grpc_tools.protoc -I ${protos} --python_out ${stubs} --grpc_python_out ${stubs} ${files}`;
    await output("/bin/sh", ["-ec", protoc], { timeoutMs: 60_000 });
    await liveThroughEverything({
      command: [python, repositoryPath("examples/python/watch_config.py")],
      env: { PYTHONPATH: stubs, PYTHONDONTWRITEBYTECODE: "1" },
    });
  });
});
