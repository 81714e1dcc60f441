/** Entries of the audit log as people say them. Pure. */
import type { Audited, AuditCheck, DeviceId, PermissionRule } from "../../generated/protocol";

/** The name of a device, as far as it is known here. */
export type NameOf = (id: DeviceId) => string;

export function auditWords(what: Audited, nameOf: NameOf): string {
  switch (what.action) {
    case "device_created":
      return `made the ${what.kind} “${what.name}” with ${list(what.scopes)}`;
    case "link_created":
      return `made a link for a device with ${list(what.scopes)}`;
    case "link_redeemed":
      return `“${what.name}” came in by a link`;
    case "pairing_started":
      return `began to pair a device with ${list(what.scopes)}`;
    case "pairing_claimed":
      return `“${what.name}” at ${what.address} asked to be paired`;
    case "device_paired":
      return `let “${what.name}” in${what.again ? " again" : ""} with ${list(what.scopes)}`;
    case "pairing_refused":
      return "refused a pairing";
    case "pairing_locked":
      return `a pairing was locked after wrong codes, the last from ${what.address}`;
    case "scopes_changed":
      return `${nameOf(what.device_id)} has ${list(what.after)} now, and had ${list(what.before)}`;
    case "device_renamed":
      return `named a device “${what.name}”`;
    case "device_revoked":
      return `threw ${nameOf(what.device_id)} out`;
    case "approval_answered":
      return `${what.state} the tool ${what.tool}${rulesOf(what.rules ?? [])}`;
    case "work_started":
      return `${nameOf(what.runner_id)} started ${what.agent}, attempt ${what.attempt}`;
    case "work_ended":
      return `work ended: ${what.outcome.replaceAll("_", " ")}${what.killed > 0 ? `, ${what.killed} processes stopped` : ""}`;
    case "limit_hit":
      return `the limit ${what.limit} was reached${what.address ? ` from ${what.address}` : ""}`;
    default:
      // A newer server knows more than this app.
      return (what as { action: string }).action.replaceAll("_", " ");
  }
}

/** What a check of the whole record says. */
export function checkWords({ entries, broken }: AuditCheck): string {
  const whole = entries === 1 ? "1 entry is" : `${entries.toLocaleString("en")} entries are`;
  return broken === undefined ? `The record is whole: ${whole} as written.` : `The record is damaged. ${whole} as written; then: ${broken}`;
}

function list(scopes: readonly string[]): string {
  return scopes.length === 0 ? "no scopes" : `the ${scopes.length === 1 ? "scope" : "scopes"} ${scopes.join(", ")}`;
}

/** The rules that hold from then on. */
function rulesOf(rules: readonly PermissionRule[]): string {
  const words = rules.map(({ tool, content, destination }) => `${content === undefined ? tool : `${tool}(${content})`}${destination === "session" ? " for the session" : ""}`);
  return words.length === 0 ? "" : `, always: ${words.join(", ")}`;
}
