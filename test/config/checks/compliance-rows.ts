import type { DocumentTexts } from "../../../src/config/document-set.ts";
import { SHIPPED, withFiles } from "../documents.ts";
import { COMPLIANCE, KAFKA, ROUTES, type Row } from "./row.ts";

const TEN_YEARS = '"retention_ms": 315576000000';
const UNBOUNDED = `${TEN_YEARS},\n        "retention_bytes": -1`;

function waiver(fields: Record<string, string>): DocumentTexts {
  const all = {
    rule: "SOX",
    topic: "user.transactions",
    retention_floor_ms: "86400000",
    reason: "a broker with little room",
    approved_by: "the head of compliance",
    expires: '"2199-12-31"',
    ...fields,
  };
  const lines = Object.entries(all).map(([key, value]) => `    ${key}: ${value}\n`);
  const text = `${SHIPPED.get(COMPLIANCE)}\nwaivers:\n  small_broker:\n${lines.join("")}`;
  return withFiles({ [COMPLIANCE]: text });
}

export const COMPLIANCE_ROWS: readonly Row[] = [
  {
    fault: "a rule for a topic that no version declares",
    edits: [[COMPLIANCE, "topics: [user.transactions]", "topics: [user.transactions, user.withdrawals]"]],
    rule: "compliance.topic",
    path: "rules.SOX.topics[1]",
    at: "user.withdrawals",
  },
  {
    fault: "a class for a rule that is not there",
    edits: [[COMPLIANCE, "rules: [FINRA_4511, MiFID_II]", "rules: [FINRA_4511, toString]"]],
    rule: "compliance.rule",
    path: "retention_classes.regulated_7y.rules[1]",
    at: "toString",
  },
  {
    fault: "a class under the floor of its rule",
    edits: [[COMPLIANCE, "retention_ms: 315576000000 # 10 years", "retention_ms: 315575999999"]],
    rule: "compliance.class_floor",
    path: "retention_classes.house_10y.rules[0]",
    at: "rules: [SOX]",
    also: ["compliance.route_floor"],
  },
  {
    fault: "a topic that is kept for less than its floor",
    edits: [[KAFKA, TEN_YEARS, '"retention_ms": 315575999999']],
    rule: "compliance.retention",
    path: "topics.user_domain.transactions.retention_ms",
    at: "315575999999",
  },
  {
    fault: "a topic with a floor that is compacted",
    edits: [
      [
        KAFKA,
        `${UNBOUNDED},\n        "cleanup_policy": "delete"`,
        `${UNBOUNDED},\n        "cleanup_policy": "compact,delete"`,
      ],
    ],
    rule: "compliance.cleanup_policy",
    path: "topics.user_domain.transactions.cleanup_policy",
    at: '"compact,delete"',
  },
  {
    fault: "a topic with a floor that loses records at a size",
    edits: [[KAFKA, UNBOUNDED, `${TEN_YEARS},\n"retention_bytes": 1000000`]],
    rule: "compliance.retention_bytes",
    path: "topics.user_domain.transactions.retention_bytes",
    at: '"retention_bytes": 1000000',
  },
  {
    fault: "stored events that are kept for less than the floor of their topic",
    edits: [[ROUTES, "retention_class: house_10y", "retention_class: one_year # here"]],
    rule: "compliance.route_floor",
    path: "data_types.transactions.retention_class",
    at: "# here",
  },
  {
    fault: "a waiver of a floor that its topic does not have",
    texts: waiver({ topic: "user.auth" }),
    file: COMPLIANCE,
    rule: "compliance.waiver",
    path: "waivers.small_broker",
    at: "  small_broker:",
  },
  {
    fault: "a waiver of a rule that is not there, whatever its name",
    texts: waiver({ rule: "toString" }),
    file: COMPLIANCE,
    rule: "compliance.waiver",
    path: "waivers.small_broker",
    at: "  small_broker:",
  },
  {
    fault: "a waiver until a day that no year has",
    texts: waiver({ expires: '"2199-02-30"' }),
    file: COMPLIANCE,
    rule: "compliance.waiver_expiry",
    path: "waivers.small_broker.expires",
    at: "2199-02-30",
  },
  {
    fault: "a waiver that has expired",
    texts: waiver({ expires: '"2020-01-01"' }),
    file: COMPLIANCE,
    rule: "compliance.waiver_expired",
    severity: "WARN",
    path: "waivers.small_broker.expires",
    at: "2020-01-01",
  },
];
