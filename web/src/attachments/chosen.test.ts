import "fake-indexeddb/auto";
import { expect, it, vi } from "vitest";
import { handOver } from "../outbox/hand-over";
import { Chosen } from "./chosen.svelte";
import { loadFiles } from "./kept";
import { FILES_MAX } from "./kinds";

vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(draw));

const files = (count: number, name: string) => Array.from({ length: count }, (_, at) => new File([`${name}${at}`], `${name}${at}`));
const names = ({ files }: Pick<Chosen, "files">) => files.map(({ attachment }) => attachment.name);
const kept = async (place: string) => names({ files: await loadFiles(place) });

/** Resolves when all that wanted to read the disk could have done so. */
async function readings(): Promise<void> {
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  await loadFiles("nowhere");
}

/** Sends what is chosen; meanwhile this is done. */
const sending = (chosen: Chosen, meanwhile: () => Promise<void>) => chosen.send(meanwhile);

it("what is chosen while others are sent stays, on the disk too", async () => {
  const chosen = new Chosen("p");
  await chosen.add(files(2, "old"));
  await sending(chosen, () => chosen.add(files(1, "new")));
  expect(names(chosen)).toEqual(["new0"]);
  await vi.waitFor(async () => expect(await kept("p")).toEqual(["new0"]));
});

it("files under way take no room from the next prompt's", async () => {
  const chosen = new Chosen("q");
  await chosen.add(files(FILES_MAX, "old"));
  await sending(chosen, () => chosen.add(files(FILES_MAX, "new")));
  expect([names(chosen).length, names(chosen)[0], chosen.refusals]).toEqual([FILES_MAX, "new0", []]);
});

it("what was refused while others are sent is still said when they are", async () => {
  const chosen = new Chosen("r");
  await chosen.add([new File([], "empty before")]);
  await sending(chosen, () => chosen.add([new File([], "empty")]));
  expect(chosen.refusals).toEqual(["empty is empty."]);
});

it("what was said before the sending is not said after it", async () => {
  const chosen = new Chosen("s");
  await chosen.add([...files(1, "good"), new File([], "empty")]);
  await sending(chosen, async () => {});
  expect([names(chosen), chosen.refusals]).toEqual([[], []]);
});

it("files that could not be sent stay, and it is said when they are too many with the newer ones", async () => {
  const chosen = new Chosen("t");
  await chosen.add(files(FILES_MAX, "old"));
  const failed = sending(chosen, async () => {
    await chosen.add(files(1, "new"));
    throw new Error("the disk is full");
  });
  await expect(failed).rejects.toThrow("the disk is full");
  expect([names(chosen).length, chosen.refusals]).toEqual([FILES_MAX + 1, [`At most ${FILES_MAX} files go with one prompt.`]]);
});

it("a place that is left and opened again while files are sent has only those chosen since", async () => {
  const before = new Chosen("u");
  await before.add(files(2, "old"));
  let again: Chosen | undefined;
  await handOver("u", () => sending(before, async () => {
    again = new Chosen("u");
    void again.add(files(1, "new"));
    await readings();
  }));
  await vi.waitFor(async () => expect(await kept("u")).toEqual(["new0"]));
  expect(again && names(again)).toEqual(["new0"]);
});

it("files that could not be sent are there again where their place was opened meanwhile", async () => {
  const before = new Chosen("v");
  await before.add(files(2, "old"));
  let again: Chosen | undefined;
  const failed = handOver("v", () => sending(before, () => {
    again = new Chosen("v");
    return Promise.reject(new Error("the disk is full"));
  }));
  await expect(failed).rejects.toThrow("the disk is full");
  await vi.waitFor(() => expect(again && names(again)).toEqual(["old0", "old1"]));
});
