import { generateKeyPairSync } from "node:crypto";
import { DataRouter } from "../../../src/data/data-router.ts";
import { Erasure } from "../../../src/data/erasure.ts";
import { ErasureRule } from "../../../src/data/erasure-rule.ts";
import type { ErasureOutcome, ErasureStore } from "../../../src/data/erasure-store.ts";
import { historySigner } from "../../../src/data/history-keys.ts";
import { UserHistory, type VerifiedHistory } from "../../../src/data/user-history.ts";
import { managerOf } from "../../config/manager.ts";
import type { Engine } from "./engine.ts";

const { privateKey } = generateKeyPairSync("ed25519");
const SIGNER = historySigner(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
const PATIENT = new AbortController().signal;

/** Erasures by the shipped documents over the database of an engine, and what checks histories there. */
export function erasureOf(engine: Engine, store: ErasureStore = engine.store().erasures()) {
  const config = managerOf();
  const router = new DataRouter(config);
  const rule = new ErasureRule(config, router);
  const erasure = new Erasure(
    rule,
    [store],
    () => 0,
    async () => SIGNER,
  );
  const history = new UserHistory({ storeOf: () => engine.store(), router }, async () => SIGNER, new Map());
  const order = (userId: string) => ({ userId, reason: "a letter", author: "a" });
  return {
    rule,
    router,
    history,
    erase: (userId: string): Promise<readonly ErasureOutcome[]> => erasure.erase(order(userId), PATIENT),
    foresee: (userId: string): Promise<readonly ErasureOutcome[]> => erasure.foresee(order(userId)),
    resume: async (): Promise<number> => {
      const failures: unknown[] = [];
      let users = 0;
      await erasure.resume(PATIENT, (_, failure) => {
        if (failure === undefined) users++;
        else failures.push(failure);
      });
      if (failures.length > 0) throw failures[0];
      return users;
    },
    verify: (userId: string): Promise<VerifiedHistory> => history.verify(userId, PATIENT),
  };
}

/** What an erasure says, in short: data type, what became of it, and how many. */
export function inShort(outcomes: readonly ErasureOutcome[]): readonly string[] {
  return outcomes.map(({ dataType, action, events }) => `${dataType} ${action} ${events}`);
}
