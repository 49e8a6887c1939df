const HUB_FLAGS = `  --url URL          address of the hub; else CENTRAL_HUB_URL (http://127.0.0.1:7000)
  --token TOKEN      token to show the hub; else CENTRAL_HUB_TOKEN, which other users of the machine cannot see`;

const CALL_FLAGS = `  --output FORMAT    table, json or yaml (table)
${HUB_FLAGS}
  --timeout SECONDS  how long to wait for an answer (15)`;

/** What `central-hub watch --help` prints. */
export const WATCH_HELP = `Prints each state of the documents as it comes: a snapshot, or a bookmark when nothing changed. Ends on Ctrl-C.

usage: central-hub watch [flags]

  --system SYSTEM    nats, kafka or zookeeper; may be given more than once (all)
  --version VERSION  the version to follow, such as phase2; without it the hub chooses, and may move on
  --service SERVICE  the service to choose the version for
  --instance NAME    the instance to choose it for; it then shows in rollouts, behind, for watch reports nothing
  --resume POINT     EPOCH:REVISION to go on from, as watch prints it at its end
  --from-revision N  revision of the hub's present history to go on from
  --count N          end after so many events
  --once             end when the connection ends, with exit code 1; without it the hub is called again
  --output FORMAT    table, json or yaml (table); json is one line for each event and holds the documents
${HUB_FLAGS}
  --timeout SECONDS  time without a sign of life after which the connection is held for lost (45)
`;

/** What `central-hub publish --help` prints. */
export const PUBLISH_HELP = `Publishes documents as one revision. Documents that are not named stay as they are.

usage: central-hub publish FILE|DIR... --expected-revision N|current --comment TEXT [flags]

  --root DIR              directory that the names of documents are relative to (the directory given, or the nearest
                          "configs" above a file)
  --remove NAME           take a document away, such as phase1/messaging/kafka.json; may be given more than once
  --expected-revision N   the revision that the change was made from; "current" for whichever is the newest
  --comment TEXT          why, for the history; a dry run needs none
  --dry-run               say what would change and what is wrong with it, and publish nothing
  --wait-share SHARE      wait until this share of the live instances runs on it, over 0 up to 1 (1)
  --wait-service SERVICE  wait for the instances of this service alone
  --wait-timeout SECONDS  how long to wait, at most 300 (30)
  --rollback-on-rejections N  let the hub roll back once so many instances have rejected it
${CALL_FLAGS}; --wait-timeout comes on top

Prints each difference (+ came, - went, ~ is another), each finding, and the new revision. Exit code 1 when it was
refused, when a dry run finds a FAIL, when the share was not reached in time, and when the hub rolled back.
`;

/** What `central-hub history --help` prints. */
export const HISTORY_HELP = `Lists the revisions, the newest last.

usage: central-hub history [flags]

  --limit N          only the newest N
${CALL_FLAGS}
`;

/** What `central-hub diff --help` prints. */
export const DIFF_HELP = `Shows what changed between two revisions: + came, - went, ~ is another.

usage: central-hub diff [FROM] [TO] [flags]

Without TO it is the newest revision; without FROM the one before that. The exit code is 0 whether they differ or not.

${CALL_FLAGS}
`;

/** What `central-hub rollback --help` prints. */
export const ROLLBACK_HELP = `Publishes the documents of an earlier revision as a new one.

usage: central-hub rollback REVISION --comment TEXT [flags]

  --comment TEXT     why, for the history
  --expected-revision N  the newest revision as you know it (current)
${CALL_FLAGS}
`;

/** What `central-hub rollout --help` prints. */
export const ROLLOUT_HELP = `Shows which instances have applied a revision, rejected it, are behind or silent.

usage: central-hub rollout [REVISION] [flags]

  --service SERVICE  only the instances of this service
${CALL_FLAGS}

Without REVISION it is the newest.
`;
