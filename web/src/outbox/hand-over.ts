/**
 * Prompts on their way from a composer to the outbox. Until they are there, words and files are kept
 * as not sent: a composer of the same place that is opened meanwhile reads what is kept only then.
 */

/** By place, as in `attachments/kept.ts`. */
const underWay = new Map<string, Promise<void>>();

/** Sends from a place, and clears what is kept for it. **Errors**: as `send`. */
export function handOver(place: string, send: () => Promise<void>): Promise<void> {
  const sent = send();
  underWay.set(place, sent.catch(() => {}));
  return sent;
}

/** Resolves once what is being sent from a place now is handed over, or failed. */
export async function handedOver(place: string): Promise<void> {
  await underWay.get(place);
}
