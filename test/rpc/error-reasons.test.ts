// docs/errors.md is what clients are written by, so it is held against the two tables that errors leave by.
import { readFileSync } from "node:fs";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { STATUS_OF } from "../../src/http/rest.ts";
import { CODE_OF } from "../../src/rpc/error-mapping.ts";

const ROW = /^\| `([A-Z_]+)` \| ([A-Z_]+) \| (\d{3}) \| .+ \| (yes|no|new look) \|$/gm;

test("the page of errors names every reason with the code and the status that it leaves by", () => {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const told = [...page.matchAll(ROW)].map(([, reason, code, status]) => `${reason} ${code} ${status}`);
  const sent = Object.entries(CODE_OF).map(
    ([reason, code]) => `${reason} ${grpcName(code)} ${STATUS_OF[reason as keyof typeof STATUS_OF]}`,
  );
  expect(told).toEqual(sent);
});

// Connect's names are those of gRPC in another case.
function grpcName(code: Code): string {
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
