/** What became of an approval, in words; and what a yes for longer would mean. Pure. */
import type { Approval, Device, DeviceId } from "../generated/protocol";

export interface Verdict {
  readonly text: string;
  /** The reason somebody gave, or what was answered. */
  readonly words: string | undefined;
  readonly icon: "check" | "close" | "clock";
  readonly tone: "good" | "bad" | "calm";
}

/** Whose answer it was; `undefined` while it is open. */
export function verdictOf(approval: Approval, devices: ReadonlyMap<DeviceId, Device>, own: DeviceId): Verdict | undefined {
  const { state, answer, resolved_by } = approval;
  if (state === "open") return undefined;
  if (state === "withdrawn") return { text: "Withdrawn: the agent does not wait for it any more", words: undefined, icon: "clock", tone: "calm" };
  const who = resolved_by === undefined ? "the server" : resolved_by === own ? "this device" : (devices.get(resolved_by)?.name ?? "a device that is gone");
  if (state === "denied") return { text: `Denied by ${who}`, words: answer?.message, icon: "close", tone: "bad" };
  const answers = Object.values(answer?.answers ?? {});
  if (approval.kind === "question") return { text: `Answered by ${who}`, words: answers.join(" · "), icon: "check", tone: "good" };
  const rules = answer?.rules ?? [];
  const lasting = rules.some((rule) => rule.destination === "local_settings");
  const scope = lasting ? " always" : answer?.for_session || rules.length > 0 ? " for this session" : "";
  const words = rules.map(({ tool, content }) => (content === undefined ? tool : `${tool}(${content})`)).join("\n");
  return { text: `Allowed${scope} by ${who}`, words: words === "" ? undefined : words, icon: "check", tone: "good" };
}

/** What the agent's offer for the rest of the session is called; nothing when it offers none. */
export function sessionOffer({ kind, session_rule }: Approval): string | undefined {
  if (!session_rule || kind === "question") return undefined;
  return kind === "plan" ? "Go on, and edit files without asking" : "Allow for this session";
}

/** What is asked for, as the head of its card. */
export function titleOf({ kind, title, tool }: Approval): string {
  if (kind === "question") return "The agent has a question";
  if (kind === "plan") return "The agent has a plan";
  return title ?? `The agent wants to use ${tool}`;
}
