import type { LockstepLog } from "../config/lockstep-log.ts";
import type { RolloutView } from "../config/shared-rollout.ts";
import type { Settings } from "../settings/settings.ts";
import type { PrimaryCalls, Rejections, Start } from "./calls.ts";
import type { Member } from "./member.ts";

/** What workers are answered from. */
export interface DeskParts {
  /** As workers have them. */
  readonly settings: Settings;
  readonly log: LockstepLog;
  readonly rollout: RolloutView;
  /** Whether the outbox is sent from here. */
  readonly isRelayed: boolean;
  /** Something has been put into the outbox of a database. */
  readonly onStored: (database: number) => void;
  /** Resolves once every worker knows of all rejections so far. */
  readonly rejectionsAreKnown: () => Promise<void>;
  readonly onLeaving: (member: Member) => void;
}

/** Answers one worker. What it has begun here, such as watches of instances, ends with it. */
export function deskFor(
  { settings, log, rollout, isRelayed, onStored, rejectionsAreKnown, onLeaving }: DeskParts,
  member: Member,
): Omit<PrimaryCalls, "ready" | "failed" | "taken"> {
  const watches = new Map<number, () => void>();
  const leave = (watch: number): void => {
    watches.get(watch)?.();
    watches.delete(watch);
  };
  return {
    join: () =>
      log.enter((head): Start => {
        member.isJoined = true;
        void member.exited.then(() => {
          for (const watch of [...watches.keys()]) leave(watch);
        });
        const { number } = member;
        return { number, settings, head, status: log.status, rejections: allRejections(rollout), isRelayed };
      }),
    leaving: () => onLeaving(member),
    append: (draft, expected) => log.append(draft, expected),
    get: (revision) => log.get(revision),
    list: (after, max) => log.list(after, max),
    connect: (watch, service, instance, follows) => {
      watches.set(watch, rollout.connect(service, instance, follows));
    },
    leave,
    report: async (service, instance, delivery, error) => {
      rollout.report(service, instance, delivery, error);
      await rejectionsAreKnown();
    },
    stored: onStored,
  };
}

function allRejections(rollout: RolloutView): Rejections[] {
  return rollout
    .instances()
    .filter(({ rejected }) => rejected.size > 0)
    .map(({ service, instance, rejected }) => ({ service, instance, nonces: [...rejected.keys()] }));
}
