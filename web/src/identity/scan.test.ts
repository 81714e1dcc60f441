import { describe, expect, it } from "vitest";
import { cameraProblem, detectorHere, firstInvitation } from "./scan";

describe("scanning", () => {
  it("passes over what is no invitation", () => {
    expect(firstInvitation([{ rawValue: "https://example.org" }, { rawValue: "https://h/#pair=s&key=AB" }])).toEqual({ secret: "s", fingerprint: "ab" });
    expect(firstInvitation([{ rawValue: "WIFI:S:home" }])).toBeUndefined();
  });

  it("is offered only where the browser can", async () => {
    expect(await detectorHere()).toBeUndefined();
  });

  it("says what to do without a camera", () => {
    expect(cameraProblem(new DOMException("no", "NotAllowedError"))).toMatch(/Allow it/);
    expect(cameraProblem(new DOMException("no", "NotFoundError"))).toMatch(/no camera/);
    expect(cameraProblem("odd")).toMatch(/Type the code/);
  });
});
