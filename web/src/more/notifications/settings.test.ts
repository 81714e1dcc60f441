import { describe, expect, it } from "vitest";
import type { PushSettings } from "../../generated/protocol";
import { Refusal } from "../../identity/failure";
import { renewalOf } from "./renewal";
import { deliveryWords, isUnknownToServer, usualQuiet, withKind, withQuiet } from "./settings";

describe("the settings of notifications", () => {
  it("add and take away one kind, in one order, and keep the rest", () => {
    const settings: PushSettings = { kinds: ["finished", "approval"], quiet: usualQuiet("UTC") };
    expect(withKind(settings, "question", true)).toEqual({ kinds: ["approval", "question", "finished"], quiet: settings.quiet });
    expect(withKind(settings, "approval", false).kinds).toEqual(["finished"]);
  });

  it("have quiet hours, or none", () => {
    const settings: PushSettings = { kinds: ["approval"] };
    expect(withQuiet(settings, usualQuiet("Europe/Berlin")).quiet).toEqual({ from: "22:00", to: "07:00", time_zone: "Europe/Berlin", urgent: true });
    expect(withQuiet({ ...settings, quiet: usualQuiet("UTC") }, undefined)).toEqual(settings);
  });
});

it("a delivery says what became of it", () => {
  const delivery = { at: "", title: "", tries: 1 };
  expect(deliveryWords({ ...delivery, outcome: "sent", status: 201 })).toBe("the push service took it");
  expect(deliveryWords({ ...delivery, outcome: "failed", tries: 3, status: 503 })).toBe("not delivered (answer 503, 3 tries)");
  expect(deliveryWords({ ...delivery, outcome: "gone" })).toContain("off and on again");
});

it("only a server that does not know the request is too old", () => {
  expect(isUnknownToServer(new Refusal({ code: "VALIDATION_FAILED", message: "unknown request" }))).toBe(true);
  expect(isUnknownToServer(new Refusal({ code: "FORBIDDEN", message: "" }))).toBe(false);
  expect(isUnknownToServer(new Error("x"))).toBe(false);
});

describe("a subscription", () => {
  const standing = { allowed: true, held: "a", told: "a", known: true };

  it("is told again when the browser replaced it, or the server lost it", () => {
    expect(renewalOf(standing)).toBe("nothing");
    expect(renewalOf({ ...standing, held: "b" })).toBe("tell");
    expect(renewalOf({ ...standing, known: false })).toBe("tell");
    expect(renewalOf({ ...standing, told: undefined })).toBe("tell");
  });

  it("is made anew when the browser lost it, and never by itself", () => {
    expect(renewalOf({ ...standing, held: undefined })).toBe("subscribe");
    expect(renewalOf({ ...standing, held: undefined, known: false })).toBe("subscribe");
    expect(renewalOf({ ...standing, held: undefined, told: undefined, known: false })).toBe("nothing");
    expect(renewalOf({ ...standing, held: "b", allowed: false })).toBe("nothing");
  });
});
