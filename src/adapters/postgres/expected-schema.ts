import { EVENT_TABLES } from "../../data/event-tables.ts";

// What the self-check holds the database against: row security as the migrations make it, in the words in which
// PostgreSQL gives it back. A migration that changes a policy changes it here as well.

/** A policy as pg_policies tells of it. */
export interface Policy {
  readonly name: string;
  readonly command: string;
  readonly roles: string;
  readonly using: string | null;
  readonly check: string | null;
}

const OWN = `(user_id = ( SELECT NULLIF(current_setting('app.user_id'::text, true), ''::text) AS "nullif"))`;
const LISTED = `(( SELECT (NULLIF(current_setting('app.user_ids'::text, true), ''::text))::jsonb AS "nullif") ? user_id)`;
const PRUNING = `(( SELECT current_setting('app.pruning'::text, true) AS current_setting) = 'on'::text)`;

/** The owner sees rows of a table while hub.prune_partition runs. */
const OWNER: Policy = {
  name: "owner_select",
  command: "SELECT",
  roles: "{hub_owner}",
  using: PRUNING,
  check: null,
};

/** Of a user who is erased nothing is seen, unless the transaction is one for whoever may see what is restricted. */
const OWN_NOT_WITHHELD = `(${OWN} AND ( SELECT ((current_setting('app.restricted'::text, true) = 'read'::text) OR (NOT (EXISTS ( SELECT
           FROM hub.erasure
          WHERE (erasure.user_id = NULLIF(current_setting('app.user_id'::text, true), ''::text))))))))`;

const EVENTS: readonly Policy[] = [
  { name: "append_insert", command: "INSERT", roles: "{hub_append}", using: null, check: LISTED },
  { name: "append_select", command: "SELECT", roles: "{hub_append}", using: LISTED, check: null },
  OWNER,
  { name: "read_select", command: "SELECT", roles: "{hub_read}", using: OWN_NOT_WITHHELD, check: null },
  { name: "relay_select", command: "SELECT", roles: "{hub_relay}", using: LISTED, check: null },
  { name: "retention_delete", command: "DELETE", roles: "{hub_retention}", using: OWN, check: null },
  { name: "retention_select", command: "SELECT", roles: "{hub_retention}", using: "true", check: null },
];

const KEPT: readonly Policy[] = [
  { name: "read_select", command: "SELECT", roles: "{hub_read}", using: OWN, check: null },
  { name: "retention_all", command: "ALL", roles: "{hub_retention}", using: "true", check: "true" },
];

/** The policies of every table; of partitions, which nobody may touch but through their parents, none. */
export const POLICIES: ReadonlyMap<string, readonly Policy[]> = new Map([
  ...EVENT_TABLES.map((table): [string, readonly Policy[]] => [table, EVENTS]),
  [
    "user_head",
    [
      { name: "append_insert", command: "INSERT", roles: "{hub_append}", using: null, check: LISTED },
      { name: "append_update", command: "UPDATE", roles: "{hub_append}", using: LISTED, check: LISTED },
      {
        name: "head_select",
        command: "SELECT",
        roles: "{hub_append,hub_read,hub_retention}",
        using: LISTED,
        check: null,
      },
      { name: "relay_select", command: "SELECT", roles: "{hub_relay}", using: "true", check: null },
      { name: "retention_insert", command: "INSERT", roles: "{hub_retention}", using: null, check: OWN },
      { name: "retention_select", command: "SELECT", roles: "{hub_retention}", using: OWN, check: null },
      { name: "retention_update", command: "UPDATE", roles: "{hub_retention}", using: OWN, check: OWN },
    ],
  ],
  [
    "outbox",
    [
      { name: "append_insert", command: "INSERT", roles: "{hub_append}", using: null, check: LISTED },
      { name: "relay_insert", command: "INSERT", roles: "{hub_relay}", using: null, check: LISTED },
      { name: "relay_delete", command: "DELETE", roles: "{hub_relay}", using: "true", check: null },
      { name: "relay_select", command: "SELECT", roles: "{hub_relay}", using: "true", check: null },
      { name: "retention_delete", command: "DELETE", roles: "{hub_retention}", using: OWN, check: null },
      { name: "retention_insert", command: "INSERT", roles: "{hub_retention}", using: null, check: OWN },
      { name: "retention_select", command: "SELECT", roles: "{hub_retention}", using: OWN, check: null },
    ],
  ],
  [
    "outbox_backfill",
    [
      { name: "relay_insert", command: "INSERT", roles: "{hub_relay}", using: null, check: "true" },
      { name: "relay_select", command: "SELECT", roles: "{hub_relay}", using: "true", check: null },
    ],
  ],
  ["legal_hold", [OWNER, ...KEPT]],
  [
    "pruned",
    [{ name: "owner_insert", command: "INSERT", roles: "{hub_owner}", using: null, check: PRUNING }, ...KEPT],
  ],
  [
    "prune_draft",
    [
      OWNER,
      { name: "owner_delete", command: "DELETE", roles: "{hub_owner}", using: PRUNING, check: null },
      { name: "retention_all", command: "ALL", roles: "{hub_retention}", using: "true", check: "true" },
    ],
  ],
  ["erasure", KEPT],
  [
    "page_token_key",
    [{ name: "read_select", command: "SELECT", roles: "{hub_read}", using: "true", check: null }],
  ],
]);

/** Per major version, the first minor one that leaks no rows past row security by statistics (CVE-2025-8713). */
export const SAFE_MINOR: ReadonlyMap<number, number> = new Map([
  [15, 14],
  [16, 10],
  [17, 6],
]);
export const OLDEST_MAJOR = 15;
