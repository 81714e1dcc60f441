import { IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, it, vi } from "vitest";

/** The module as a tab of its own has it. */
function tab(): Promise<typeof import("./disk")> {
  vi.resetModules();
  return import("./disk");
}

/** A tab of another version, which holds on to the database. */
function tabOf(version: number, stores: readonly string[] = []): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("afield", version);
    request.onupgradeneeded = () => stores.forEach((store) => request.result.createObjectStore(store).put("kept", "key"));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

beforeEach(() => vi.stubGlobal("indexedDB", new IDBFactory()));

describe("the browser's disk", () => {
  it("keeps what an older version kept, beside the stores that came since", async () => {
    (await tabOf(1, ["identity", "outbox"])).close();
    const disk = await tab();
    await disk.put("files", "p", [1]);
    expect([await disk.get("identity", "key"), await disk.all("outbox"), await disk.get("files", "p"), await disk.keys("files")]).toEqual(["kept", ["kept"], [1], ["p"]]);
    await disk.forgetEverything();
    expect([await disk.all("identity"), await disk.keys("files")]).toEqual([[], []]);
  });

  it("says which tab is in the way instead of waiting for it", async () => {
    const older = await tabOf(1, ["identity"]);
    await expect((await tab()).get("identity", "key")).rejects.toThrow("an older Afield");
    older.close();
  });

  it("gives way to a newer app, and says so", async () => {
    const disk = await tab();
    await disk.put("settings", "a", 1);
    (await tabOf(3)).close();
    await expect(disk.get("settings", "a")).rejects.toThrow("a newer Afield");
  });
});
