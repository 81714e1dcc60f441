import { describe, expect, it } from "vitest";
import type { Device } from "../generated/protocol";
import { stepsOf } from "./chain";

describe("the chain of a command", () => {
  it("names what happened and by whom, and leaves open what did not", () => {
    const devices = new Map([["r", { id: "r", name: "build box" } as Device]]);
    const at = "2026-01-01T00:00:00Z";
    const steps = stepsOf({ chain: [{ step: "submitted", at, by: "me" }, { step: "accepted", at }, { step: "leased", at, by: "r" }, { step: "consumed", at, by: "gone" }] }, devices, "me");
    expect(steps.map(({ name, by }) => [name, by])).toEqual([
      ["Sent", "this device"],
      ["On the server's disk", "the server"],
      ["Given to the machine", "build box"],
      ["The agent has it", "a device that is gone"],
      ["Ended", undefined],
    ]);
    expect(steps.at(-1)?.at).toBeUndefined();
  });
});
