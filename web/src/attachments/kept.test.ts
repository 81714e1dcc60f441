import "fake-indexeddb/auto";
import { expect, it } from "vitest";
import * as disk from "../disk/disk";
import { forgetFilesExcept, keepFiles, loadFiles, NEW_SCREEN } from "./kept";

const file = (name: string) => ({ attachment: { hash: "0", name, media_type: "text/plain", bytes: 1 }, bytes: new Uint8Array([1]) });
const names = async (place: string) => (await loadFiles(place)).map(({ attachment }) => attachment.name);

it("files are kept for the place they were chosen in, until they are taken away", async () => {
  await keepFiles("p", [file("a"), file("b")]);
  await keepFiles(NEW_SCREEN, [file("c")]);
  expect([await names("p"), await names(NEW_SCREEN), await names("q")]).toEqual([["a", "b"], ["c"], []]);
  await keepFiles("p", []);
  expect(await disk.keys("files")).toEqual([NEW_SCREEN]);
});

it("files of a project that is gone go with it", async () => {
  for (const place of ["p", "q", NEW_SCREEN]) await keepFiles(place, [file("a")]);
  await forgetFilesExcept(["q"]);
  expect(await disk.keys("files")).toEqual([NEW_SCREEN, "q"]);
});
