/** What `central-hub health --help` prints. */
export const HEALTH_HELP = `Shows how the platform is, and whether the live brokers are as declared. The hub answers from memory.

usage: central-hub health [infrastructure|topics|streams|groups] [flags]

  infrastructure     components, and the services that they impair; what is shown when nothing is named
  topics             declared Kafka topics against the broker
  streams            declared JetStream streams against the server
  groups             declared consumer groups against the broker, with their lag

  --version VERSION  the version whose declaration counts, such as phase2; without it the hub chooses
  --watch            print everything, or what is named, and then a line for each change, until Ctrl-C
  --output FORMAT    table, json or yaml (table); with --watch, json is one line for each change
  --url URL          address of the hub; else CENTRAL_HUB_URL (http://127.0.0.1:7000)
  --token TOKEN      token to show the hub; else CENTRAL_HUB_TOKEN, which other users of the machine cannot see
  --timeout SECONDS  how long to wait for an answer (15); with --watch, time without a sign of life after which the
                     connection is held for lost (45)

exit codes:
  0  healthy, or the watch was stopped
  1  error: the broker could not be seen, the hub refused, or it is out of reach
  2  wrong usage
  3  degraded: something is not as it should be, or could not be seen
`;
