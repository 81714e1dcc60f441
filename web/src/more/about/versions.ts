/** Whether the parts of Afield fit each other. Pure. */

export interface Part {
  readonly name: string;
  readonly version: string;
}

export type Fit = "same" | "fits" | "behind" | "ahead";

/** How `version` stands to that of the server: parts of one minor version fit. */
export function fit(version: string, server: string): Fit {
  if (version === server) return "same";
  const [[major, minor], [itsMajor, itsMinor]] = [numbers(version), numbers(server)];
  if (major === itsMajor && minor === itsMinor) return "fits";
  return major < itsMajor || (major === itsMajor && minor < itsMinor) ? "behind" : "ahead";
}

export function fitWords(what: Fit): string {
  const words = { same: "same as the server", fits: "fits the server", behind: "older than the server: update it", ahead: "newer than the server: update the server" };
  return words[what];
}

function numbers(version: string): [number, number] {
  const [major, minor] = version.split(".").map(Number);
  return [major || 0, minor || 0];
}
