/** What the address of a notification asks: `#TOKEN`, or `#token=…&title=…&body=…&danger=…`. Pure. */
export interface Asked {
  readonly token: string;
  /** The words of the notification, as it was shown. */
  readonly title: string;
  readonly body: string;
  readonly isDestructive: boolean;
}

export function askedIn(hash: string): Asked | undefined {
  const text = hash.replace(/^#/, "");
  const fields = text.includes("=") ? new URLSearchParams(text) : new URLSearchParams({ token: text });
  const token = fields.get("token") ?? "";
  if (token === "") return undefined;
  return { token, title: fields.get("title") ?? "", body: fields.get("body") ?? "", isDestructive: fields.get("danger") === "destructive" };
}
