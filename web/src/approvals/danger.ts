/**
 * How dangerous what is asked is: what the server says, else judged here. Pure.
 *
 * It decides how much effort a yes takes, and guards nothing: a command can hide what it does. What
 * can't be judged counts as dangerous.
 */
import type { Approval } from "../generated/protocol";
import { toolAsk } from "../tools/tool";

export type DangerLevel = "harmless" | "normal" | "destructive";

export interface Danger {
  readonly level: DangerLevel;
  /** Why, for people. */
  readonly reasons: readonly string[];
}

export function dangerOf(approval: Approval): Danger {
  return (approval as { danger?: Danger }).danger ?? judge(approval);
}

export function judge({ kind, tool, input, directory }: Pick<Approval, "kind" | "tool" | "input" | "directory">): Danger {
  if (kind !== "tool") return { level: "harmless", reasons: [] };
  const ask = toolAsk(tool, input);
  switch (ask.is) {
    case "command":
      return ofCommand(ask.command);
    case "read":
    case "search":
      return ask.is === "read" && isOutside(ask.path, directory) ? { level: "normal", reasons: ["reads outside the project"] } : { level: "harmless", reasons: [] };
    case "todo":
      return { level: "harmless", reasons: [] };
    case "edit":
      return ofReasons(isOutside(ask.path, directory) ? ["writes outside the project"] : TELLING_PATH.test(ask.path) ? ["changes what runs by itself, or who may come in"] : []);
    default:
      return { level: "normal", reasons: [] };
  }
}

/** Files that are run by themselves or decide who may enter. */
const TELLING_PATH = /(^|\/)(\.git\/|\.ssh\/|\.claude\/|\.github\/workflows\/|\.(bash|zsh)rc$|\.profile$|\.envrc$|authorized_keys$|crontab$)/;

const SIGNS: readonly (readonly [RegExp, string])[] = [
  [/\brm\b|\brmdir\b|\bunlink\b|\bshred\b|\btruncate\b|\s-delete\b/, "removes files"],
  [/\bgit\b.*\b(push\b.*(\s-\w*f|--force|--delete|\s\+)|reset\b.*--hard|clean\b.*\s-\w*f|checkout\b.*(--force|\s--\s|\s\.(\s|$))|restore\b|branch\b.*\s-D|stash\b.*\b(drop|clear)\b|filter-branch|reflog\b.*\bexpire)/, "discards work in git"],
  [/\b(sudo|doas|su|pkexec)\b/, "runs as another user"],
  [/\b(dd|mkfs(\.\w+)?|fdisk|parted|wipefs|blkdiscard)\b/, "writes to a disk itself"],
  [/\b(curl|wget|fetch)\b[^|;&]*\|\s*(\S*\/)?(sudo\s+)?(ba|z|da|k|fi)?sh\b/, "runs what it loads from the network"],
  [/\b(eval|source)\b|base64\b.*(-d|--decode|-D)|\b(ba|z|da)?sh\s+-c\b|\b(python3?|perl|ruby|node)\s+-[ce]\b/, "runs text as a program, so that what it does can't be seen here"],
  [/\b(shutdown|reboot|halt|poweroff|systemctl|launchctl|service)\b/, "changes what the machine runs"],
  [/\b(kill|killall|pkill)\b/, "ends other programs"],
  [/\bch(mod|own|grp|attr)\b/, "changes who may do what"],
  [/\b(npm|yarn|pnpm|cargo|gem|twine|docker|podman)\s+(publish|push|yank|unpublish)\b|\bgh\s+(release|repo)\b/, "publishes something"],
  [/\b(terraform|tofu|pulumi)\s+(apply|destroy|up)\b|\bkubectl\s+(delete|drain|apply)\b|\b(docker|podman)\s+(\w+\s+)?(rm|rmi|prune)\b/, "changes systems outside this machine, or removes containers"],
  [/\b(drop|truncate)\s+(table|database|schema)\b|\bdelete\s+from\b/i, "deletes from a database"],
  [/\b(scp|rsync|sftp|nc|ncat|telnet|ssh)\b|\bcurl\b.*\s(-[a-zA-Z]*[dTF]\b|--data|--upload-file|--form|-X\s*(POST|PUT|DELETE|PATCH))/, "sends something to another machine"],
  [/(^|[^<>&\d-])>(?!>|&|\s*\/dev\/null)/, "overwrites a file"],
  [/(^|[\s=:"'])(~|\/etc|\/usr|\/var|\/boot|\/root|\$HOME)(\/|\b)/, "touches what is outside the project"],
];

/** Commands that only look, when nothing but plain words follows. */
const LOOKS = /^(ls|pwd|cat|head|tail|wc|file|stat|du|df|tree|which|date|whoami|uname|echo|grep|rg|git\s+(status|log|diff|show|branch|remote\s+-v|rev-parse|ls-files|blame))(\s+[\w./:=@,+%-]+)*\s*$/;
/** Would bring in another command, or hides what stands there. */
const HIDING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;
/** Longer ones are not read through by anyone before saying yes. */
const COMMAND_READ_MAX = 2_000;

function ofCommand(command: string): Danger {
  const reasons = SIGNS.filter(([sign]) => sign.test(command)).map(([, reason]) => reason);
  if (HIDING.test(command)) reasons.push("contains hidden characters");
  if (command.length > COMMAND_READ_MAX) reasons.push("is very long");
  if (reasons.length > 0) return { level: "destructive", reasons };
  return { level: LOOKS.test(command.trim()) ? "harmless" : "normal", reasons: [] };
}

function ofReasons(reasons: readonly string[]): Danger {
  return { level: reasons.length > 0 ? "destructive" : "normal", reasons };
}

function isOutside(path: string, directory: string): boolean {
  if (path.split(/[\\/]/).includes("..")) return true;
  const absolute = path.startsWith("/") || path.startsWith("~") || /^[A-Za-z]:[\\/]/.test(path);
  return absolute && path !== directory && !path.startsWith(directory.replace(/[\\/]?$/, path.includes("\\") ? "\\" : "/"));
}
