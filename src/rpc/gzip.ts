import { Code, ConnectError } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { requestTooLarge } from "../errors.ts";
import { toConnectError } from "./error-mapping.ts";

/** Gzip, which refuses what gets too large in the hub's own words; Connect calls it before any interceptor runs. */
export const gzip: typeof compressionGzip = {
  ...compressionGzip,
  decompress: async (bytes, maxBytes) => {
    try {
      return await compressionGzip.decompress(bytes, maxBytes);
    } catch (error) {
      if (ConnectError.from(error).code !== Code.ResourceExhausted) throw error;
      throw toConnectError(requestTooLarge(maxBytes), "");
    }
  },
};
