import { describe, expect, it } from "vitest";
import { dangerOf } from "./danger";

describe("how dangerous an ask is", () => {
  it("is what the server says", () => {
    expect(dangerOf({ danger: { level: "harmless", reasons: [] } })).toEqual({ level: "harmless", reasons: [] });
  });

  it("takes a hold where nobody judged", () => {
    expect(dangerOf({}).level).toBe("destructive");
  });
});
