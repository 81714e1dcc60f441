import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

/** Debian's browser, so that nothing is downloaded; another one by the environment. */
const chromium = process.env["AFIELD_CHROMIUM"] ?? "/usr/bin/chromium";
/** The same without what only a window needs: two thirds of the work. It shows no notifications. */
const shell = "/usr/bin/chromium-headless-shell";

const running = (executablePath: string) => ({ launchOptions: { executablePath, args: ["--no-sandbox"] } });
const most = running(process.env["AFIELD_CHROMIUM"] === undefined && existsSync(shell) ? shell : chromium);
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const desktop = { viewport: { width: 1280, height: 800 } };

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results/run",
  fullyParallel: true,
  // Some of a test is waiting.
  workers: 3,
  forbidOnly: true,
  retries: 0,
  // As many have one cause.
  maxFailures: 20,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    // Recording costs a quarter of the time.
    trace: process.env["AFIELD_TRACE"] === undefined ? "off" : "retain-on-failure",
    screenshot: "only-on-failure",
  },
  projects: [
    { name: "phone", grepInvert: /@with-keyboard|@notifications/, use: { ...phone, ...most } },
    { name: "desktop", grepInvert: /@any-width|@notifications/, use: { ...desktop, ...most } },
    { name: "notifications", grep: /@notifications/, use: { ...phone, ...running(chromium) } },
  ],
});
