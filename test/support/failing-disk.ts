import { open } from "node:fs/promises";
import type { FileAccess, OpenFile } from "../../src/adapters/files/durable-file.ts";

/** A disk whose operations fail while they are named in `failing`; writing fails after half of the bytes. */
export function failingDisk(): { openFile: OpenFile; failing: Set<keyof FileAccess> } {
  const failing = new Set<keyof FileAccess>();
  const check = (name: keyof FileAccess): void => {
    if (failing.has(name)) throw Object.assign(new Error(`EIO: i/o error, ${name}`), { code: "EIO" });
  };
  const openFile: OpenFile = async (path, flags, mode) => {
    const file = await open(path, flags, mode);
    return {
      async read(buffer, offset, length, position) {
        check("read");
        return file.read(buffer, offset, length, position);
      },
      async write(buffer, offset, length, position) {
        if (failing.has("write")) await file.write(buffer, offset, length >> 1, position);
        check("write");
        return file.write(buffer, offset, length, position);
      },
      async truncate(length) {
        check("truncate");
        return file.truncate(length);
      },
      async datasync() {
        check("datasync");
        return file.datasync();
      },
      stat: () => file.stat(),
      close: () => file.close(),
    };
  };
  return { openFile, failing };
}
