import { anyWidth, expect, test } from "./harness";

test("a browser that reads QR codes is paired by its camera", anyWidth, async ({ page, afield, shot }) => {
  const link = await afield.link();
  // Stands in for what Debian's Chromium lacks: a camera, and a reader that sees the link in its picture.
  await page.addInitScript((seen) => {
    class Reader {
      static getSupportedFormats = () => Promise.resolve(["qr_code"]);
      detect = () => Promise.resolve([{ rawValue: "something else" }, { rawValue: seen }]);
    }
    Object.assign(globalThis, { BarcodeDetector: Reader });
    const canvas = document.createElement("canvas");
    const draw = () => {
      canvas.getContext("2d")?.fillRect(0, 0, 1, 1);
      requestAnimationFrame(draw);
    };
    draw();
    navigator.mediaDevices.getUserMedia = () => Promise.resolve(canvas.captureStream());
  }, link);
  await page.goto(afield.url);
  await expect(page.getByRole("button", { name: "Scan a QR code" })).toBeVisible();
  await shot("pair-scan");
  await page.getByRole("button", { name: "Scan a QR code" }).click();
  await expect(page.getByRole("heading", { name: "Projects" })).toBeVisible();
});

test("a camera that is refused leaves the code to type", anyWidth, async ({ page, afield }) => {
  await page.addInitScript(() => {
    class Reader {
      static getSupportedFormats = () => Promise.resolve(["qr_code"]);
    }
    Object.assign(globalThis, { BarcodeDetector: Reader });
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  });
  await page.goto(afield.url);
  await page.getByRole("button", { name: "Scan a QR code" }).click();
  await expect(page.getByText("This page may not use the camera.")).toBeVisible();
  await page.getByRole("button", { name: "Type it instead" }).click();
  await expect(page.getByLabel("Link or code")).toBeVisible();
});
