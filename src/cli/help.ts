const EXIT_CODES = `exit codes:
  0  done
  1  failed: the hub refused or is out of reach, documents have a FAIL, a file could not be read or written
  2  wrong usage, or settings that the hub cannot start with
  3  done, and what was looked at is not as it should be
`;

/** What `central-hub --help` prints. */
export const HELP = `Central Hub: the single source of truth of a platform's messaging.

usage: central-hub <command> [flags]

  serve              serve the documents over gRPC, gRPC-Web, Connect and REST on one port
  validate [DIR]     check a directory of documents, for your own CI; without DIR, the shipped ones
  get topics         show the Kafka topics that a running hub serves
  get subjects       show its NATS subjects
  get groups         show its Kafka consumer groups
  get config         show the whole document of one messaging system
  watch              print each state of the documents as it comes
  publish FILE...    change documents as one revision, or say what would come of it
  history            list the revisions
  diff [FROM] [TO]   show what changed between two revisions
  rollback REVISION  publish the documents of an earlier revision again
  rollout [REVISION] show which instances have applied a revision
  health [WHAT]      show how the platform is, and whether brokers are as declared; WHAT is
                     infrastructure, topics, streams or groups
  plan               show what would make the brokers as declared, and who is touched by it
  apply              make the brokers as declared, step by step
  import             make documents of what the brokers have
  render nats-permissions  write the declared permissions for the configuration of nats-server
  log verify         check the revision log of a hub, offline; --data-dir DIR says where it is
  data export USER   write all of a user's data to a file, sealed by the hub
  data erase USER    erase a user: remove what nothing must keep, restrict the rest
  data verify FILE   verify such a file, offline, by the hub's public keys
  data key           show these keys
  data outbox        show what waits for Kafka, shard by shard
  data retention     show which months of user data are due to be removed, when, and why
  export protos DIR  write the .proto files that clients in any language are generated from
  version            print the version of this package
  help [COMMAND]     print this, or the flags of a command that talks to a hub, and of export

flags of serve; each bears the name of a variable of the environment, HUB_PORT that of --port:
  --host HOST              address to listen on (127.0.0.1)
  --port PORT              port to listen on, 0 for a free one (7000)
  --workers NUMBER         processes that answer calls, behind one port; at most as many as there are cores (1)
  --config-dir DIR         directory of the documents and of hub.yaml (the shipped one)
  --data-dir DIR           directory of the revision log and of the audit log (./data)
  --revision-log PLACE     file, or the URL of a NATS stream for several hubs (file)
  --auth MODE              none or jwt (none)
  --auth-none-off-loopback BOOL  allow --auth none on an address that other machines reach (false)
  --jwt-jwks SOURCE        file or URL of the keys that tokens are checked with
  --jwt-issuer TEXT        issuer that tokens must name
  --jwt-audience TEXT      audience that tokens must name
  --tls-cert FILE          certificate chain, in PEM; with --tls-key
  --tls-key FILE           private key, in PEM
  --cors-origins LIST      origins of web pages that may call, separated by commas (none)
  --kafka-brokers LIST     "host:port" of Kafka brokers, separated by commas; else what infrastructure.yaml says
  --kafka-sasl-mechanism NAME  PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (no authentication)
  --kafka-sasl-username TEXT   user to be at the brokers
  --kafka-sasl-password TEXT   its password; better in KAFKA_SASL_PASSWORD, which others of the machine cannot see
  --kafka-tls BOOL         speak to the brokers over TLS (false)
  --kafka-tls-ca FILE      certificates of the authorities to trust for it, in PEM
  --kafka-round-trip-topic TOPIC  topic to send a record to and read it back from with each probe (none)
  --nats-url URL           the NATS server; else what infrastructure.yaml says
  --nats-monitor-url URL   base address of its monitoring endpoint
  --zookeeper-connect LIST "host:port" of ZooKeeper servers, separated by commas
  --database-url URL       the PostgreSQL server; better in DATABASE_URL when a password is in it (an embedded one)
  --database-admin-url URL the same with a login that may run migrations
  --database-allow-bypass BOOL  serve user data with a login that could bypass row security (false)
  --database-signing-key FILE  private key, in PEM, that records of removed events are signed with (one in the data directory)
  --database-retention BOOL  remove months of user data that nothing keeps any longer (true)
  --database-outbox WHEN   note each user event in the outbox for Kafka: auto, on or off (auto)
  --database-outbox-from POSITION  begin it with events stored before: now, beginning or a time (now)
  --log-level LEVEL        trace, debug, info, warn, error or silent (info)

${EXIT_CODES}`;

/** What `central-hub get --help` prints. */
export const GET_HELP = `Shows what a running hub serves.

usage: central-hub get topics|subjects|groups|config [flags]

  --domain DOMAIN    only this domain (topics and subjects)
  --system SYSTEM    nats, kafka or zookeeper (config, which needs it)
  --version VERSION  the version of the documents, such as phase2; without it the hub chooses
  --service SERVICE  the service to choose the version for
  --output FORMAT    table, json or yaml (table); config has no table and shows yaml
  --url URL          address of the hub; else CENTRAL_HUB_URL (http://127.0.0.1:7000)
  --token TOKEN      token to show the hub; else CENTRAL_HUB_TOKEN, which other users of the machine cannot see
  --timeout SECONDS  how long to wait for the answer (15)

The data goes to the standard output; its version, revision and etag go to the standard error.

${EXIT_CODES}`;

/** What `central-hub export --help` prints. */
export const EXPORT_HELP = `Writes the hub's .proto files and everything that they import: all that a generator needs.

usage: central-hub export protos DIR [--force]

  --force  write into DIR although it holds files; those of the same name are replaced, the others stay

${EXIT_CODES}`;
