import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DescFile } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { withImports } from "../../src/cli/proto-source.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { canonical, compileProtos } from "./compiled-protos.ts";
import { runCli } from "./run-cli.ts";

const root = join(import.meta.dirname, "../..");

/** Everything that the generated code knows, imports included. */
async function generatedFiles(): Promise<ReadonlyMap<string, DescFile>> {
  const names = (await readdir(join(root, "gen"), { recursive: true })).filter((name) =>
    name.endsWith("_pb.ts"),
  );
  const modules = await Promise.all(names.map((name) => import(join(root, "gen", name))));
  const exported = modules.flatMap((module: Record<string, unknown>) => Object.entries(module));
  return withImports(
    exported.filter(([name]) => name.startsWith("file_")).map(([, file]) => file as DescFile),
  );
}

describe("export protos", () => {
  it("writes files that compile on their own, to exactly what the hub speaks", async () => {
    const directory = join(await temporaryDirectory(), "protos");
    const { code, out, err } = await runCli(["export", "protos", directory]);
    expect({ code, err }).toEqual({ code: 0, err: "" });

    const { file: compiled } = await compileProtos(directory);
    expect(out).toContain(`${compiled.length} files written to ${directory}\n`);
    const spoken = await generatedFiles();
    expect(compiled.map(({ name }) => name).sort()).toEqual(
      [...spoken.values()].map(({ proto }) => proto.name).sort(),
    );
    for (const { proto } of spoken.values()) {
      const found = compiled.find(({ name }) => name === proto.name);
      if (!found) throw new Error(`${proto.name} is missing`);
      if (proto.name === "google/protobuf/descriptor.proto") {
        // protobuf-es has lost the options of this one file; Go can do nothing without its package.
        expect(found.options?.goPackage).toBe("google.golang.org/protobuf/types/descriptorpb");
        delete found.options;
      }
      const [was, is] = [canonical(proto), canonical(found)];
      // The JSON is what people compare; the bytes hold the custom options as well.
      expect(is.json).toEqual(was.json);
      expect(Buffer.compare(is.bytes, was.bytes), `${proto.name} has other options`).toBe(0);
    }
  });

  it("keeps the comments of the hub's own files", async () => {
    const directory = await temporaryDirectory();
    await runCli(["export", "protos", directory]);
    const name = "centralhub/config/v1/config_service.proto";
    const [written, own] = await Promise.all(
      [directory, join(root, "proto")].map((folder) => readFile(join(folder, name), "utf8")),
    );
    expect(written).toBe(own);
  });

  it("says how to generate, in a way that a shell understands", async () => {
    const directory = join(await temporaryDirectory(), "it's here");
    const { out } = await runCli(["export", "protos", directory]);
    expect(out).toContain(
      `python -m grpc_tools.protoc -I '${directory.replace("'", "'\\''")}' --python_out=out`,
    );
  });

  it("leaves a directory alone that holds files, unless told otherwise", async () => {
    const directory = await temporaryDirectory({ "notes.txt": "mine" });
    const refused = await runCli(["export", "protos", directory]);
    expect(refused).toEqual({
      code: 1,
      out: "",
      err: `central-hub: ${directory} holds files already; name another directory, or say --force\n`,
    });
    expect(await readdir(directory)).toEqual(["notes.txt"]);

    const forced = await runCli(["export", "protos", directory, "--force"]);
    expect(forced.code).toBe(0);
    expect(await readFile(join(directory, "notes.txt"), "utf8")).toBe("mine");
    await writeFile(join(directory, "google/rpc/error_details.proto"), "broken");
    await runCli(["export", "protos", "--force", directory]);
    await expect(compileProtos(directory)).resolves.toBeDefined();
  });

  it("says what is in the way", async () => {
    const directory = await temporaryDirectory({ file: "" });
    const { code, err } = await runCli(["export", "protos", join(directory, "file")]);
    expect(code).toBe(1);
    expect(err).toMatch(/^central-hub: ENOTDIR: [^\n]+\n$/);
  });

  it.each([
    [[], "export: name what to export: protos"],
    [["topics", "x"], "export: name what to export: protos"],
    [["protos"], "export protos: name one directory"],
    [["protos", "a", "b"], "export protos: name one directory"],
    [["protos", "a", "--clean"], "Unknown option '--clean'"],
  ])("refuses %j", async (argv, message) => {
    const usage = "usage: central-hub export protos DIR [--force]";
    const err = `central-hub: ${message}\n${usage}\n`;
    expect(await runCli(["export", ...argv])).toEqual({ code: 2, out: "", err });
  });
});
