import { SHIPPED, withFiles } from "../documents.ts";
import { FLAGS, INFRASTRUCTURE, type Row } from "./row.ts";

const VARIANTS = '"variants": {\n        "phase1": "phase1",\n        "phase2": "phase2"\n      }';
const FLAG = "flags.messaging_config_version";

/** Faults of the set as a whole and of the flag that chooses a version. */
export const SET_ROWS: readonly Row[] = [
  {
    fault: "no version",
    texts: new Map([[INFRASTRUCTURE, SHIPPED.get(INFRASTRUCTURE) ?? ""]]),
    rule: "document.none",
    file: "",
    path: "",
  },
  {
    fault: "a version with a name that is none",
    texts: withFiles({ "Phase 3/messaging/kafka.json": "{}" }),
    rule: "document.version_name",
    file: "Phase 3/messaging/kafka.json",
    path: "",
  },
  {
    fault: "a file that is no document of the hub's",
    texts: withFiles({ "notes/todo.yaml": "- buy milk" }),
    rule: "document.unknown",
    severity: "WARN",
    file: "notes/todo.yaml",
    path: "",
  },
  {
    fault: "two versions and no flags",
    texts: withFiles({ [FLAGS]: undefined }),
    rule: "flags.missing",
    file: FLAGS,
    path: "",
  },
  {
    fault: "flags without the one for versions",
    edits: [[FLAGS, '"messaging_config_version": {', '"messaging_config": {']],
    rule: "flags.flag",
    path: "flags",
    at: '"flags": {',
  },
  {
    fault: "a flag without variants",
    edits: [[FLAGS, VARIANTS, '"variants": {}']],
    rule: "flags.variants",
    path: `${FLAG}.variants`,
    at: '"variants": {}',
  },
  {
    fault: "a variant that is no version",
    edits: [[FLAGS, '"phase1": "phase1"', '"phase1": "phase9"']],
    rule: "flags.version",
    path: `${FLAG}.variants.phase1`,
    at: "phase9",
  },
  {
    fault: "a flag in a state that flagd does not know",
    edits: [[FLAGS, '"ENABLED"', '"ON"']],
    rule: "flags.state",
    path: `${FLAG}.state`,
    at: '"ON"',
  },
  {
    fault: "a default that is no variant",
    edits: [[FLAGS, '"defaultVariant": "phase2"', '"defaultVariant": "toString"']],
    rule: "flags.default",
    path: `${FLAG}.defaultVariant`,
    at: '"toString"',
  },
  {
    fault: "a rule that names what is no variant",
    edits: [[FLAGS, '          "phase1",\n          null', '          "phase3",\n          null']],
    rule: "flags.targeting",
    path: `${FLAG}.targeting.if[1]`,
    at: '"phase3"',
  },
  {
    fault: "another flag that flagd does not take",
    edits: [[FLAGS, '"flags": {', '"flags": {\n"other": { "state": "ON", "variants": { "on": true } },']],
    rule: "flags.flagd",
    path: "",
  },
];
