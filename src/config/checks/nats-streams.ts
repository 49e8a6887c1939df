import type { NatsConfig } from "../../../gen/centralhub/config/v1/nats_pb.ts";
import type { Report } from "../../documents/findings.ts";
import type { Doc } from "../document-set.ts";
import { overlaps, subjectFault, wildcardOf } from "../subjects.ts";
import { Checker } from "./check.ts";

/** Streams: what a JetStream server would refuse, and what would harm a requester. */
export function checkNatsStreams(doc: Doc<NatsConfig>, report: Report): void {
  const check = new Checker(report, doc);
  const stored: { stream: string; subject: string }[] = [];
  const declared = Object.values(doc.message.subjects).flatMap(({ subjects }) => Object.values(subjects));
  for (const [name, stream] of Object.entries(doc.message.streams)) {
    for (const [index, subject] of stream.subjects.entries()) {
      const path = ["streams", name, "subjects", index];
      const fault = subjectFault(subject);
      if (fault) {
        check.fail("nats.stream_subject", path, `"${subject}" ${fault}`, "use a subject that NATS takes");
        continue;
      }
      const other = stored.find((entry) => overlaps(entry.subject, subject));
      if (other) {
        const where = other.stream === name ? "in the same stream" : `in the stream ${other.stream}`;
        check.fail(
          "nats.stream_overlap",
          path,
          `"${subject}" overlaps "${other.subject}" ${where}; a JetStream server refuses that`,
          "let each subject be stored once",
        );
      }
      stored.push({ stream: name, subject });
      if (declared.length > 0 && !declared.some(({ pattern }) => overlaps(wildcardOf(pattern), subject))) {
        check.fail(
          "nats.stream_undeclared",
          path,
          `no declared subject is stored by "${subject}"`,
          "declare the subject, or remove it from the stream",
        );
      }
      const request = declared.find(
        (item) => item.requestReply && overlaps(wildcardOf(item.pattern), subject),
      );
      if (request && !stream.noAck) {
        check.fail(
          "nats.stream_request",
          path,
          `"${subject}" stores "${request.pattern}", whose requesters would get the stream's acknowledgement as their reply`,
          "leave request/reply subjects out of the stream, or set no_ack",
        );
      }
    }
    checkStreamLimits(name, doc, check);
  }
}

function checkStreamLimits(name: string, doc: Doc<NatsConfig>, check: Checker): void {
  const stream = doc.message.streams[name];
  if (!stream) return;
  const path = ["streams", name];
  if (
    stream.storage === "memory" &&
    stream.maxAge === 0n &&
    stream.maxMsgs === 0n &&
    stream.maxBytes === 0n
  ) {
    check.fail(
      "nats.stream_unbounded",
      path,
      "a stream in memory has no limit and would fill the server's memory",
      "set max_age, max_msgs or max_bytes",
    );
  }
  if (stream.duplicateWindow !== undefined && stream.maxAge > 0n && stream.duplicateWindow > stream.maxAge) {
    check.fail(
      "nats.stream_duplicates",
      [...path, "duplicate_window"],
      `${stream.duplicateWindow} ms is longer than max_age (${stream.maxAge} ms); a JetStream server refuses that`,
      "set duplicate_window to max_age at most",
    );
  }
  if (stream.retention === "workqueue" && stream.noAck) {
    check.warn(
      "nats.stream_workqueue",
      [...path, "no_ack"],
      "publishers to a work queue get no acknowledgement, so lost work goes unseen",
      "remove no_ack",
    );
  }
}
