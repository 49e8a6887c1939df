import type { PoolClient } from "pg";
import { EVENT_TABLES } from "../../data/event-tables.ts";
import { OLDEST_MAJOR, POLICIES, type Policy, SAFE_MINOR } from "./expected-schema.ts";

/** What the check takes into account. */
export interface CheckOptions {
  /** Whether the session's own role may be one that bypasses row security: every transaction sets another. */
  readonly mayBypass: boolean;
}

const ROLES = ["hub_owner", "hub_append", "hub_read", "hub_relay", "hub_retention"];
const NEEDED = ["hub_append", "hub_read"];

/** What makes a database unfit to be served, for people; empty when nothing does. */
export async function selfCheck(client: PoolClient, options: CheckOptions): Promise<readonly string[]> {
  const faults = [...(await checkVersion(client)), ...(await checkRoles(client, options))];
  return [
    ...faults,
    ...(await checkTables(client)),
    ...(await checkPolicies(client)),
    ...(await checkPartitions(client)),
  ];
}

async function checkVersion(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ number: number }>(
    "SELECT current_setting('server_version_num')::int AS number",
  );
  const number = rows[0]?.number ?? 0;
  const major = Math.trunc(number / 10_000);
  const minor = number % 10_000;
  if (major < OLDEST_MAJOR)
    return [`the server is PostgreSQL ${major}; the hub needs ${OLDEST_MAJOR} or newer`];
  const safe = SAFE_MINOR.get(major) ?? 0;
  if (minor >= safe) return [];
  return [
    `the server is PostgreSQL ${major}.${minor}, which leaks rows past row security (CVE-2025-8713); update it to ${major}.${safe} or newer`,
  ];
}

async function checkRoles(client: PoolClient, { mayBypass }: CheckOptions): Promise<string[]> {
  const { rows: roles } = await client.query<{ name: string; bypasses: boolean; member: boolean }>(
    `SELECT rolname AS name, rolsuper OR rolbypassrls AS bypasses, pg_has_role(session_user, oid, 'MEMBER') AS member
      FROM pg_roles WHERE rolname = ANY($1)`,
    [ROLES],
  );
  const faults = ROLES.filter((name) => !roles.some((role) => role.name === name)).map(
    (name) => `the role ${name} is not there; run the migrations`,
  );
  for (const { name, bypasses, member } of roles) {
    if (bypasses)
      faults.push(`the role ${name} bypasses row security; ALTER ROLE ${name} NOSUPERUSER NOBYPASSRLS`);
    if (NEEDED.includes(name) && !member)
      faults.push(`the hub's login is no member of ${name}; GRANT ${name} TO it`);
  }
  const { rows: session } = await client.query<{ name: string; bypasses: boolean }>(
    "SELECT rolname AS name, rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = session_user",
  );
  const login = session[0]?.name ?? "";
  const owns = roles.some(({ name, member }) => name === "hub_owner" && member);
  if (mayBypass || !(session[0]?.bypasses || owns)) return faults;
  const what = session[0]?.bypasses ? "bypasses row security" : "may become the tables' owner";
  return [
    ...faults,
    `the login "${login}" ${what}; give the hub one that cannot (CREATE ROLE hub LOGIN NOINHERIT PASSWORD '…' IN ROLE hub_append, hub_read, hub_relay, hub_retention), and the powerful one to DATABASE_ADMIN_URL for migrations; or set DATABASE_ALLOW_BYPASS=true where only tests would suffer`,
  ];
}

async function checkTables(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{
    name: string;
    enabled: boolean;
    forced: boolean;
    partition: boolean;
    granted: boolean;
  }>(
    `SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced, c.relispartition AS partition,
        EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner
          AND (c.relispartition OR a.grantee = 0)) AS granted
      FROM pg_class c WHERE c.relnamespace = to_regnamespace('hub') AND c.relkind IN ('r', 'p') ORDER BY 1`,
  );
  const names = new Set(rows.map(({ name }) => name));
  const faults = [...POLICIES.keys()]
    .filter((name) => !names.has(name))
    .map((name) => `the table hub.${name} is not there; run the migrations`);
  for (const { name, enabled, forced, partition, granted } of rows) {
    if (!enabled)
      faults.push(`hub.${name} has no row security; ALTER TABLE hub.${name} ENABLE ROW LEVEL SECURITY`);
    if (!forced)
      faults.push(
        `hub.${name} does not force row security; ALTER TABLE hub.${name} FORCE ROW LEVEL SECURITY`,
      );
    if (granted)
      faults.push(
        `hub.${name} is granted to ${partition ? "somebody beside its parent" : "everybody"}; REVOKE it`,
      );
    if (!partition && !POLICIES.has(name))
      faults.push(`the table hub.${name} is not one of the hub's; move it to another schema`);
  }
  return faults;
}

async function checkPolicies(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<Policy & { table: string; permissive: string }>(
    `SELECT tablename AS table, policyname AS name, permissive, cmd AS command, roles::text, qual AS using, with_check AS check
      FROM pg_policies WHERE schemaname = 'hub'`,
  );
  const found = new Set(rows.map((row) => policyText(row.table, row, row.permissive)));
  const expected = new Set(
    [...POLICIES].flatMap(([table, policies]) =>
      policies.map((policy) => policyText(table, policy, "PERMISSIVE")),
    ),
  );
  const missing = [...expected]
    .filter((text) => !found.has(text))
    .map((text) => `this policy is not there as it should be: ${text}`);
  const strange = [...found]
    .filter((text) => !expected.has(text))
    .map((text) => `this policy is not one of the hub's: ${text}`);
  return [...missing, ...strange];
}

function policyText(
  table: string,
  { name, command, roles, using, check }: Policy,
  permissive: string,
): string {
  return `${name} ON hub.${table} AS ${permissive} FOR ${command} TO ${roles} USING ${using} WITH CHECK ${check}`;
}

// Those of now and of next month. Events whose partition is not there could not be stored.
async function checkPartitions(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT wanted.name FROM (
        SELECT parent || to_char(date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + n * interval '1 month',
          '"_"YYYY"_"MM') AS name, parent
        FROM unnest($1::text[]) AS parent, generate_series(0, 1) AS n
      ) AS wanted
      WHERE NOT EXISTS (SELECT FROM pg_inherits i
        JOIN pg_class child ON child.oid = i.inhrelid JOIN pg_class parent ON parent.oid = i.inhparent
        WHERE parent.relnamespace = to_regnamespace('hub') AND parent.relname = wanted.parent AND child.relname = wanted.name)
      ORDER BY 1`,
    [EVENT_TABLES],
  );
  return rows.map(({ name }) => `the partition hub.${name} is not there; SELECT hub.create_partitions(3)`);
}
