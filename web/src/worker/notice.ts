/** From what the server pushed to a notification, and from a tap on it to what is done. Pure. */

/** What the server sends; nothing in it is relied on. */
export interface Pushed {
  readonly kind?: string;
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  readonly at?: string;
  readonly project_id?: string;
  readonly runner_id?: string;
  readonly approval_id?: string;
  readonly danger?: string;
  /** Answers the approval once, without another credential. */
  readonly token?: string;
}

export interface Notice {
  readonly title: string;
  readonly options: {
    readonly body: string;
    readonly tag: string;
    readonly icon: string;
    readonly timestamp?: number;
    readonly data: Pushed;
    readonly actions: readonly { readonly action: string; readonly title: string }[];
  };
}

export type Tap =
  | { readonly is: "answer"; readonly token: string; readonly behavior: "allow" | "deny" }
  | { readonly is: "open"; readonly path: string };

/** Something must be shown for every push; this for one that can't be read. */
const UNREADABLE: Pushed = { title: "Afield", body: "Something happened. Open the app to see it.", tag: "unreadable" };

export function pushedFrom(text: string | undefined): Pushed {
  try {
    const found = JSON.parse(text ?? "") as Partial<Pushed> | null;
    if (typeof found?.title !== "string" || typeof found.body !== "string" || typeof found.tag !== "string") return UNREADABLE;
    return found as Pushed;
  } catch {
    return UNREADABLE;
  }
}

export function noticeOf(pushed: Pushed): Notice {
  const { title, body, tag, at } = pushed;
  const timestamp = Date.parse(at ?? "");
  return { title, options: { body, tag, icon: "/icon-192.png", data: pushed, actions: actionsOf(pushed), ...(Number.isNaN(timestamp) ? {} : { timestamp }) } };
}

/** What may destroy something is never allowed by one tap. */
function actionsOf({ token, danger }: Pushed): { action: string; title: string }[] {
  if (token === undefined) return [];
  const deny = { action: "deny", title: "Deny" };
  return danger === "destructive" ? [deny] : [{ action: "allow", title: "Allow once" }, deny];
}

/** What a tap does. `hasActions`: this platform shows buttons on notifications. */
export function tapOn(pushed: Pushed, action: string, hasActions: boolean): Tap {
  const { token, danger } = pushed;
  if (token !== undefined && action === "deny") return { is: "answer", token, behavior: "deny" };
  if (token !== undefined && action === "allow" && danger !== "destructive") return { is: "answer", token, behavior: "allow" };
  return { is: "open", path: pathOf(pushed, hasActions) };
}

function pathOf({ kind, token, title, body, danger, project_id, runner_id, approval_id }: Pushed, hasActions: boolean): string {
  if (token !== undefined && !hasActions) return `/a#${new URLSearchParams({ token, title, body, danger: danger ?? "" })}`;
  if (approval_id !== undefined || kind === "dead_letter") return "/needs-me";
  if (project_id !== undefined) return `/projects/${encodeURIComponent(project_id)}`;
  return runner_id === undefined ? "/needs-me" : "/machines";
}
