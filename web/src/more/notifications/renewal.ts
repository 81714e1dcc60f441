/** Whether a subscription has to be told to the server again: browsers replace and lose them. Pure. */

export interface Standing {
  /** The person allowed notifications. */
  readonly allowed: boolean;
  /** What the browser holds now. */
  readonly held: string | undefined;
  /** What this browser told the server last; nothing after it was turned off here. */
  readonly told: string | undefined;
  /** The server has a subscription of this device. */
  readonly known: boolean;
}

/** `subscribe`: at the browser's push service as well. */
export type Renewal = "nothing" | "tell" | "subscribe";

export function renewalOf({ allowed, held, told, known }: Standing): Renewal {
  if (!allowed) return "nothing";
  if (held !== undefined) return known && held === told ? "nothing" : "tell";
  return known || told !== undefined ? "subscribe" : "nothing";
}
