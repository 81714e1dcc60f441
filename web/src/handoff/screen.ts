/**
 * Which of the person's screens this tab is. A reload keeps it, so that it takes its focus up again;
 * a copy of the tab, which the browser gives the same storage, is another one.
 */
import type { ReplicaId } from "../generated/protocol";

const KEY = "afield.screen";

let claimed: Promise<ReplicaId> | undefined;

/** The same for as long as the page lives. */
export function claimScreen(): Promise<ReplicaId> {
  return (claimed ??= claimOne());
}

async function claimOne(): Promise<ReplicaId> {
  const kept = sessionStorage.getItem(KEY);
  if (kept !== null && (await claim(kept))) return kept;
  const fresh = crypto.randomUUID();
  await claim(fresh);
  sessionStorage.setItem(KEY, fresh);
  return fresh;
}

/** Whether no other page has this id; it is kept from others as long as this page lives. */
function claim(id: ReplicaId): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const hold = (lock: Lock | null) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise<void>(() => {});
    };
    navigator.locks.request(`${KEY}.${id}`, { ifAvailable: true }, hold).catch(reject);
  });
}
