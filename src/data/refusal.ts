import { HubError } from "../errors.ts";
import type { Appended } from "./user-event.ts";

/** What the sender of an event is told that the store did not take. */
export function refusal(outcome: Extract<Appended, string>, userId: string, eventId: string): HubError {
  if (outcome === "conflict") {
    const message = `event_id: ${eventId} is that of another event of this user, with other content; make an id for each event`;
    return new HubError("EVENT_CONFLICT", message, { metadata: { eventId } });
  }
  const message = `user_id: ${JSON.stringify(userId)} has been erased, and nothing can be saved for it any more; give who comes back a new user id`;
  return new HubError("USER_ERASED", message, { metadata: { userId } });
}
