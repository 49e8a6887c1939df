/** What `central-hub data --help` prints. */
export const DATA_HELP = `Exports a user's data, verifies exports, erases users, and shows how long data is kept and what waits for Kafka.

usage: central-hub data export USER --out FILE [flags]
       central-hub data erase USER --reason TEXT [--dry-run] [--yes] [flags]
       central-hub data verify FILE --keys FILE
       central-hub data key [flags]
       central-hub data retention [DATA_TYPE...] [flags]
       central-hub data outbox [flags]

  export USER        write all of the user's events, in their order, with signed records of what retention or an
                     erasure has removed, and a signed seal; progress goes to the standard error
  erase USER         remove what no retention floor and no legal hold keeps of a user, and restrict the rest; shows what
                     that comes to and asks first. The same command again carries on, and says what was done in all
  verify FILE        check such a file without a hub: that no event was changed, taken out, moved or added
  key                show the hub's public keys, as a JSON Web Key Set
  retention          show, for each data type and month, its size, when it is due to be removed, what would go now and what
                     legal holds keep, and the class and floors that say so; it changes nothing
  outbox             show, for each shard, what waits for Kafka, for how long, the hub that sends it (host/process), and what
                     was last not taken from this hub; needs the scope health:read

  --out FILE         where the export goes; it must not be there yet
  --reason TEXT      why the user is erased, for the audit record
  --dry-run          only show what an erasure would do
  --yes              erase without being asked
  --keys FILE        public keys to trust: what "data key" has shown, or keys in PEM. Get them from the hub, not from
                     whoever brings the export
  --output FORMAT    of retention and outbox: table, json or yaml (table)
  --url URL          address of the hub; else CENTRAL_HUB_URL (http://127.0.0.1:7000)
  --token TOKEN      token to show the hub; else CENTRAL_HUB_TOKEN, which other users of the machine cannot see
  --timeout SECONDS  how long to wait for the answer, or for the next part of an export (15)

exit codes:
  0  done; verify: intact
  1  failed: the hub refused or is out of reach, a file could not be read or written; verify: not intact
  2  wrong usage
`;
