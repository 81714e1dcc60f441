import { defineConfig } from "@playwright/test";

/** Debian's browser, so that nothing is downloaded; another one by the environment. */
const executablePath = process.env["AFIELD_CHROMIUM"] ?? "/usr/bin/chromium";

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results/run",
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    // Recording costs a quarter of the time.
    trace: process.env["AFIELD_TRACE"] === undefined ? "off" : "retain-on-failure",
    screenshot: "only-on-failure",
    launchOptions: { executablePath, args: ["--no-sandbox"] },
  },
  projects: [
    { name: "phone", grepInvert: /@with-keyboard/, use: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 } },
    { name: "desktop", grepInvert: /@any-width/, use: { viewport: { width: 1280, height: 800 } } },
  ],
});
