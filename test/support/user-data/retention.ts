import { generateKeyPairSync } from "node:crypto";
import { DataRouter } from "../../../src/data/data-router.ts";
import { type HistorySigner, historySigner } from "../../../src/data/history-keys.ts";
import { Retention } from "../../../src/data/retention.ts";
import { RetentionRule } from "../../../src/data/retention-rule.ts";
import type { RetentionStore } from "../../../src/data/retention-store.ts";
import { UserHistory, type VerifiedHistory } from "../../../src/data/user-history.ts";
import { managerOf } from "../../config/manager.ts";
import type { Engine } from "./engine.ts";

const { privateKey } = generateKeyPairSync("ed25519");
const SIGNER = historySigner(privateKey.export({ type: "pkcs8", format: "pem" }).toString());

/** Retention by the shipped documents over the database of an engine, and what checks histories there. */
export function retentionOf(engine: Engine, signer: HistorySigner = SIGNER) {
  const config = managerOf();
  const router = new DataRouter(config);
  const pruned: string[] = [];
  const job = (store: RetentionStore = engine.store().retention(), now?: () => number): Retention =>
    new Retention(
      store,
      new RetentionRule(config, router),
      async () => signer,
      ({ partition }, events, isGone) => pruned.push(`${partition} ${events} ${isGone}`),
      true,
      now,
    );
  const history = new UserHistory({ storeOf: () => engine.store(), router }, async () => SIGNER, new Map());
  const verify = (userId: string): Promise<VerifiedHistory> =>
    history.verify(userId, new AbortController().signal);
  return { job, verify, history, router, pruned };
}
