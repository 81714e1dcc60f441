import { expect, it } from "vitest";
import { Blobs } from "./blobs";

it("loads the same bytes once, forgets the oldest, and tries again what failed", async () => {
  const asked: string[] = [];
  let fails = true;
  const blobs = new Blobs((hash) => {
    asked.push(hash);
    return hash === "bad" && fails ? Promise.reject(new Error("gone")) : Promise.resolve(new ArrayBuffer(1));
  });
  await Promise.all([blobs.get("a"), blobs.get("a")]);
  expect(asked).toEqual(["a"]);
  await expect(blobs.get("bad")).rejects.toThrow("gone");
  fails = false;
  await blobs.get("bad");
  for (let index = 0; index < 20; index += 1) await blobs.get(`other ${index}`);
  await blobs.get("a");
  expect(asked.filter((hash) => hash === "a")).toHaveLength(2);
  expect(asked.filter((hash) => hash === "bad")).toHaveLength(2);
});
