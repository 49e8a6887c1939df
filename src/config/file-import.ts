import { HubError } from "../errors.ts";
import { type DocumentTexts, isDocument } from "./document-set.ts";
import { FILE_AUTHOR, type LiveConfig } from "./live-config.ts";
import { DocumentsRefused, type ReleaseDesk } from "./release-desk.ts";
import type { RevisionEntry } from "./revision-log.ts";

/** Tries after which a change of the files waits for the next look at them. */
const TRIES = 5;

/**
 * Publishes changes of the configuration directory. Only what changed in the files is published, on top of what the
 * log holds, so that the files do not take back what was published by other ways.
 */
export class FileImport {
  readonly #live: LiveConfig;
  readonly #desk: ReleaseDesk;
  #last: DocumentTexts | undefined;

  constructor(live: LiveConfig, desk: ReleaseDesk) {
    this.#live = live;
    this.#desk = desk;
  }

  /**
   * Takes the files as they are now; returns the revision that was published, if any. Files that are not fit to be
   * served leave everything as it is, and are noted. Throws LOG_UNAVAILABLE; then the same files may be tried again.
   */
  async take(all: DocumentTexts): Promise<bigint | undefined> {
    // What is no document lies in the directory for other reasons, and must not keep the documents out.
    const files = new Map([...all].filter(([file]) => isDocument(file)));
    for (let attempt = 1; ; attempt++) {
      const { documents, removedFiles: gone } = this.#last
        ? changed(this.#last, files)
        : await this.#changedWhileDown(files);
      const head = this.#live.log.head;
      const expectedRevision = head?.revision ?? 0n;
      // What was removed by another way already is no news.
      const removedFiles = gone.filter((file) => head?.documents.has(file));
      try {
        const proposal = {
          documents,
          removedFiles,
          expectedRevision,
          author: FILE_AUTHOR,
          comment: "change of the files",
        };
        const isNews = documents.size > 0 || removedFiles.length > 0;
        const outcome = isNews ? await this.#desk.publish(proposal) : undefined;
        this.#last = files;
        this.#live.reportFiles([]);
        return outcome?.entry?.revision;
      } catch (error) {
        if (error instanceof DocumentsRefused) {
          this.#live.reportFiles(error.findings);
          return undefined;
        }
        const isConflict = error instanceof HubError && error.reason === "REVISION_CONFLICT";
        if (!isConflict || attempt >= TRIES) throw error;
      }
    }
  }

  // A text that the history has seen since the files last changed the document is an old one, which something newer
  // has replaced. What the files held before that is news: somebody has put it back.
  async #changedWhileDown(files: DocumentTexts): Promise<Changed> {
    const { log } = this.#live;
    const documents = new Map<string, string>();
    let open = [...files];
    let entry = log.head;
    while (entry && open.length > 0) {
      const before: RevisionEntry | undefined =
        entry.revision > 1n ? await log.get(entry.revision - 1n) : undefined;
      const { documents: texts, author } = entry;
      open = open.filter(([file, text]) => {
        if (texts.get(file) === text) return false;
        const isByFiles = author === FILE_AUTHOR && texts.get(file) !== before?.documents.get(file);
        if (isByFiles) documents.set(file, text);
        return !isByFiles;
      });
      entry = before;
    }
    // The files have never held these, or another text, in all the history.
    for (const [file, text] of open) documents.set(file, text);
    return { documents, removedFiles: [] };
  }
}

interface Changed {
  readonly documents: Map<string, string>;
  readonly removedFiles: readonly string[];
}

function changed(before: DocumentTexts, after: DocumentTexts): Changed {
  return {
    documents: new Map([...after].filter(([file, text]) => before.get(file) !== text)),
    removedFiles: [...before.keys()].filter((file) => !after.has(file)),
  };
}
