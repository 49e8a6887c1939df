const HUB_FLAGS = `  --url URL            address of the hub; else CENTRAL_HUB_URL (http://127.0.0.1:7000)
  --token TOKEN        token to show the hub; else CENTRAL_HUB_TOKEN, which other users of the machine cannot see
  --timeout SECONDS    how long to wait for an answer (30)`;

const PLAN_FLAGS = `  --version VERSION    the version whose declaration counts, such as phase2; without it the hub chooses
  --systems LIST       kafka, nats or kafka,nats; without it those that are configured and declared
  --allow-delete       also remove what the hub made and no version declares any more
  --retention-step D   shrink a retention by no more than that in one apply, such as 30d, 12h or 45m (half of it)`;

/** What `central-hub plan --help` prints. */
export const PLAN_HELP = `Shows what would make the brokers as declared, and who is touched by it. Changes nothing.

usage: central-hub plan [flags]

${PLAN_FLAGS}
  --out FILE           keep the plan in this file, for apply --plan FILE
  --output FORMAT      table, json or yaml (table)
${HUB_FLAGS}

The plan goes to the standard output; its counts, and what is to be said beside it, go to the standard error.

exit codes:
  0  the brokers are as declared
  1  failed: the hub refused or is out of reach, a broker cannot be seen, the file could not be written
  2  wrong usage
  3  the brokers are not as declared
`;

/** What `central-hub apply --help` prints. */
export const APPLY_HELP = `Makes the brokers as declared, step by step. Asks before it begins, unless --yes is said.

usage: central-hub apply [--plan FILE] [flags]

  --plan FILE          carry out this plan, which "central-hub plan --out FILE" kept; without it, plan first
${PLAN_FLAGS}
  --yes                do not ask
  --accept-destructive also carry out changes by which data goes
  --lock-wait D        wait so long for another apply to end, such as 30s; 5m at most (not at all)
${HUB_FLAGS}

A plan is refused when anything has moved since it was made. What was cut off is carried on by the same command.
Retention shrinks by one step with each apply.

exit codes:
  0  done: the brokers are as declared, but for what is impossible and for steps of retention that are left
  1  failed: the hub refused or is out of reach, a step failed, or it was not agreed to
  2  wrong usage; without --yes also when there is no terminal to ask on
  3  done, and the brokers are not as declared
`;

/** What `central-hub import --help` prints. */
export const IMPORT_HELP = `Makes documents of what the brokers have, from which a plan is empty.

usage: central-hub import --dir DIR|--publish [flags]

  --dir DIR            write them into this directory; files that are there already are replaced
  --publish            publish them as one revision
  --comment TEXT       why, for the history (imported from the brokers)
  --version VERSION    the version that they are for, such as phase2; without it the hub chooses
  --systems LIST       kafka, nats or kafka,nats; without it those that are configured
  --domain DOMAIN      domain of topics that are declared in none yet; without it their names tell it
${HUB_FLAGS}

What could not be taken over, and what keeps the documents from being published, goes to the standard error.

exit codes:
  0  done
  1  failed: the hub refused or is out of reach, the documents have a FAIL, a file could not be written
  2  wrong usage
`;
