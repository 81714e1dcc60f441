import { describe, expect, it } from "vitest";
import { askedIn } from "../one-tap/asked";
import { noticeOf, pushedFrom, tapOn } from "./notice";

const APPROVAL = { kind: "approval", title: "demo asks", body: "Bash: ls", tag: "p1", approval_id: "a1", project_id: "p1", token: "T", danger: "normal" };

describe("what is pushed", () => {
  it("is shown, whatever it is", () => {
    for (const text of [undefined, "", "{", "null", "7", '{"title":1}', "[]"]) expect(pushedFrom(text).title).toBe("Afield");
    expect(pushedFrom(JSON.stringify(APPROVAL))).toEqual(APPROVAL);
  });

  it("has buttons only where a tap can answer", () => {
    const actions = (pushed: Parameters<typeof noticeOf>[0]) => noticeOf(pushed).options.actions.map(({ action }) => action);
    expect(actions(APPROVAL)).toEqual(["allow", "deny"]);
    expect(actions({ ...APPROVAL, danger: "destructive" })).toEqual(["deny"]);
    const { token: _, ...told } = APPROVAL;
    expect(actions(told)).toEqual([]);
  });

  it("says when it happened, if that can be read", () => {
    expect(noticeOf({ ...APPROVAL, at: "1970-01-01T00:00:01Z" }).options.timestamp).toBe(1000);
    expect(noticeOf({ ...APPROVAL, at: "yesterday" }).options).not.toHaveProperty("timestamp");
  });
});

describe("a tap", () => {
  it("answers by its button, but never allows what destroys", () => {
    expect(tapOn(APPROVAL, "allow", true)).toEqual({ is: "answer", token: "T", behavior: "allow" });
    expect(tapOn(APPROVAL, "deny", true)).toEqual({ is: "answer", token: "T", behavior: "deny" });
    expect(tapOn({ ...APPROVAL, danger: "destructive" }, "allow", true)).toEqual({ is: "open", path: "/needs-me" });
  });

  it("opens the place it is about", () => {
    const path = (rest: object) => tapOn({ title: "", body: "", tag: "", ...rest }, "", true);
    expect(path({ project_id: "p/1" })).toEqual({ is: "open", path: "/projects/p%2F1" });
    expect(path({ runner_id: "r" })).toEqual({ is: "open", path: "/machines" });
    expect(path({ kind: "dead_letter", project_id: "p" })).toEqual({ is: "open", path: "/needs-me" });
  });

  it("opens the page that needs no connection, where notifications have no buttons", () => {
    const tap = tapOn({ ...APPROVAL, body: "a & b #c" }, "", false);
    expect(tap.is === "open" && askedIn(tap.path.slice(2))).toEqual({ token: "T", title: "demo asks", body: "a & b #c", isDestructive: false });
  });
});

it("an address without a token asks nothing", () => {
  for (const hash of ["", "#", "#token=", "#title=x"]) expect(askedIn(hash)).toBeUndefined();
  expect(askedIn("#T0KEN")).toEqual({ token: "T0KEN", title: "", body: "", isDestructive: false });
  expect(askedIn("#token=T&danger=destructive")?.isDestructive).toBe(true);
});
