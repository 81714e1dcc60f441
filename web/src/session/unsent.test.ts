import { describe, expect, it } from "vitest";
import type { Entry } from "../outbox/entry";
import { agentPageOf, unsent } from "./unsent";

const entry = (code?: string, payload: object = {}, projectId: string | undefined = "p") =>
  ({ key: "k", projectId, ask: { payload }, ...(code === undefined ? {} : { refused: { code, message: "no" } }) }) as unknown as Entry;

describe("words that only this device has", () => {
  it("wait, or are on their way with their files", () => {
    expect(unsent(entry(), undefined).text).toBe("on this device, waits for a connection");
    expect(unsent(entry(), { key: "k", name: "a.png", part: 0.5 }).text).toBe("uploading a.png: 50 %");
  });

  it("lead to the project's agent where that can't be used", () => {
    expect([agentPageOf(entry("CLAUDE_NOT_FOUND")), agentPageOf(entry("AGENT_UNAVAILABLE"))]).toEqual(["/more/defaults?project=p", "/more/defaults?project=p"]);
  });

  it("lead nowhere where another agent would not help", () => {
    expect([agentPageOf(entry()), agentPageOf(entry("NOT_FOUND")), agentPageOf(entry("CLAUDE_NOT_FOUND", { agent: "claude" })), agentPageOf({ ...entry("CLAUDE_NOT_FOUND"), projectId: undefined })]).toEqual([undefined, undefined, undefined, undefined]);
  });
});
