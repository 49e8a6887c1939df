import { ToolMissing } from "../../support/fetched.ts";
import { program } from "../../support/toolchains.ts";
import { output } from "./programs.ts";

/** An answer as curl saw it. */
export interface CurlAnswer {
  readonly status: number;
  /** The version that was spoken: "1.1" or "2". */
  readonly version: string;
  /** By name in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Asks with curl. */
export type Curl = (args: readonly string[]) => Promise<CurlAnswer>;

/** The installed curl, which must speak HTTP/2. */
export async function findCurl(): Promise<Curl> {
  const path = await program("curl");
  const features = await output(path, ["--version"]);
  if (!/\bHTTP2\b/.test(features))
    throw new ToolMissing("curl was built without HTTP/2: install one that has it, or set CURL to its path");
  return async (args) => {
    const written = ["--silent", "--show-error", "--globoff", "--max-time", "20", "--include"];
    const text = await output(path, [...written, "--write-out", "\n%{http_version} %{http_code}", ...args]);
    const end = text.lastIndexOf("\n");
    const [version = "", status = ""] = text.slice(end + 1).split(" ");
    const split = text.indexOf("\r\n\r\n");
    const lines = text.slice(0, split).split("\r\n").slice(1);
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    return { status: Number(status), version, headers: new Map(headers), body: text.slice(split + 4, end) };
  };
}
