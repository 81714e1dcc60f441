import { describe, expect, it } from "vitest";
import { attachmentsOf, FILE_BYTES_MAX, fileName, IMAGE_BYTES_SHOWN, mediaTypeOf, OCTETS, planOf, refusalOf, sizeInWords, TEXT } from "./kinds";

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

describe("what bytes are", () => {
  it("is told by themselves", () => {
    const known: Record<string, string> = { "\x89PNG\r\n\x1a\n\0": "image/png", "\xff\xd8\xff\xe0": "image/jpeg", "GIF89a\0": "image/gif", "RIFF\x01\x02\x03\x04WEBPVP8 ": "image/webp", "RIFF\x01\x02\x03\x04WAVE": TEXT, "a\0b": OCTETS, "\xff\xfe": OCTETS, "<svg>": TEXT };
    for (const [start, type] of Object.entries(known)) expect(mediaTypeOf(bytes(start)), start).toBe(type);
  });
});

describe("what goes with a prompt", () => {
  const file = (size: number) => ({ name: "a.png", bytes: size });

  it("has limits in words", () => {
    expect(refusalOf([file(1), file(2)])).toBeUndefined();
    expect(refusalOf([file(0)])).toBe("a.png is empty.");
    expect(refusalOf([file(FILE_BYTES_MAX + 1024 * 1024)])).toBe("a.png has 11 MiB; at most 10 MiB can be attached.");
    expect(refusalOf(Array.from({ length: 11 }, () => file(1)))).toMatch(/^At most 10 files/);
    expect(refusalOf([file(FILE_BYTES_MAX), file(FILE_BYTES_MAX), file(1)])).toMatch(/together; at most 20 MiB/);
    expect([sizeInWords(7), sizeInWords(2048), sizeInWords(1.5 * 1024 * 1024)]).toEqual(["7 B", "2 KiB", "1.5 MiB"]);
  });

  it("has a name that is a file's on every machine", () => {
    expect(["a b.png", "../x/y", "..", "\u0007", "größe.txt"].map(fileName)).toEqual(["a b.png", ".. x y", "file", "file", "größe.txt"]);
    const long = fileName(`${"ü".repeat(150)}.jpeg`);
    expect(new TextEncoder().encode(long).length).toBeLessThanOrEqual(200);
    expect(long).toMatch(/ü\.jpeg$/);
  });
});

describe("an image", () => {
  it("is made smaller only when it is larger than an agent sees", () => {
    const image = { type: "image/jpeg", width: 4000, height: 3000, bytes: 5_000_000 };
    expect(planOf(image)).toEqual({ width: 2000, height: 1500, type: "image/jpeg" });
    expect(planOf({ ...image, type: "image/png", width: 100, height: 5000 })).toEqual({ width: 40, height: 2000, type: "image/png" });
    expect(planOf({ ...image, width: 1000, height: 500, bytes: 1000 })).toBeUndefined();
    expect(planOf({ ...image, type: "image/png", width: 1000, height: 500, bytes: IMAGE_BYTES_SHOWN + 1 })).toEqual({ width: 1000, height: 500, type: "image/jpeg" });
    expect(planOf({ ...image, type: "image/gif" })).toBeUndefined();
  });
});

describe("the frame of a prompt", () => {
  it("is read as far as it can be", () => {
    const one = { hash: "a".repeat(64), name: "a", media_type: "image/png", bytes: 1 };
    expect(attachmentsOf({ prompt: "x", attachments: [one, { ...one, hash: "../x" }, null, 7] })).toEqual([one]);
    expect([attachmentsOf(undefined), attachmentsOf({ prompt: "x" }), attachmentsOf("x")]).toEqual([[], [], []]);
  });
});
