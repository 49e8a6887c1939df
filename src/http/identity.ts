import { HubError } from "../errors.ts";

/** Who calls, as far as the hub knows. */
export interface Caller {
  /** The token's subject; "anonymous" without authentication. */
  readonly subject: string;
  /** The rights of the caller; "*" holds every right. */
  readonly scopes: ReadonlySet<string>;
  /** The one user that the caller is bound to; undefined when it is bound to none. */
  readonly userId: string | undefined;
}

/** Decides who calls from the request's headers alone, before any of the body is read. */
export interface IdentityGate {
  /**
   * Who calls, where that can be said at once: without a look at keys, and without a throw. Told which connection it
   * is, the gate does with a token that comes again there what it can do without hashing it again.
   */
  known(authorization: string | undefined, connection?: object): Caller | undefined;
  /** Throws TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED or KEYS_UNAVAILABLE. */
  identify(authorization: string | undefined): Caller | Promise<Caller>;
}

/** What a call needs: a scope, nothing (public), or nothing that anyone could have (undeclared). */
export type Need = { readonly scope: string } | "public" | "undeclared";

/** A caller without any right, for public calls. */
export const NOBODY: Caller = Object.freeze({
  subject: "anonymous",
  scopes: new Set<string>(),
  userId: undefined,
});

/** The gate of `auth: none`: everyone may do everything. */
export const openGate: IdentityGate = {
  known: () => EVERYBODY,
  identify: () => EVERYBODY,
};
const EVERYBODY: Caller = Object.freeze({ subject: "anonymous", scopes: new Set(["*"]), userId: undefined });

/**
 * Lets a call through the gate. Throws SCOPE_UNDECLARED for a call that names no scope, SCOPE_MISSING for a
 * caller without the scope, and what the gate throws.
 */
export async function admit(
  gate: IdentityGate,
  need: Need,
  authorization: string | undefined,
): Promise<Caller> {
  if (need === "public") return NOBODY;
  const caller = await gate.identify(authorization);
  if (need === "undeclared") {
    throw new HubError("SCOPE_UNDECLARED", "this call names no scope, so no one may make it");
  }
  if (!holds(caller, need.scope)) {
    throw new HubError(
      "SCOPE_MISSING",
      `the token lacks the scope "${need.scope}"; ask for a token that has it`,
      {
        metadata: { scope: need.scope },
      },
    );
  }
  return caller;
}

/** The caller of a call that the gate lets through at once; undefined where `admit` has to say more. */
export function admitKnown(
  gate: IdentityGate,
  need: Need,
  authorization: string | undefined,
  connection?: object,
): Caller | undefined {
  if (need === "public") return NOBODY;
  if (need === "undeclared") return undefined;
  const caller = gate.known(authorization, connection);
  return caller && holds(caller, need.scope) ? caller : undefined;
}

function holds({ scopes }: Caller, scope: string): boolean {
  return scopes.has(scope) || scopes.has("*");
}

/** Beside the scope of a call about user data: the caller acts for every user. */
const ALL_USERS = "userdata:all-users";

/**
 * Whether a caller may see what an erasure has restricted: only one whose token names the scope itself. That somebody may
 * do everything does not say that he may see this.
 */
export function mayReadRestricted({ scopes }: Caller): boolean {
  return scopes.has("audit:read");
}

/**
 * Lets a call about one user's data through. Throws USER_FORBIDDEN unless the caller is bound to that user or acts for
 * all, and says the same whether the user exists or not.
 */
export function admitToUser(caller: Pick<Caller, "scopes" | "userId">, userId: string): void {
  if (caller.scopes.has("*") || caller.scopes.has(ALL_USERS)) return;
  if (caller.userId !== undefined && caller.userId === userId) return;
  const message = `user_id: is not the user that the token is bound to; ask for a token of that user, or one with the scope "${ALL_USERS}"`;
  throw new HubError("USER_FORBIDDEN", message);
}
