/** One clock for every age on the screen: it ticks once a second while the page is looked at. */
class Clock {
  now = $state(Date.now());

  constructor() {
    setInterval(() => this.#tick(), 1000);
    document.addEventListener("visibilitychange", () => this.#tick());
  }

  #tick(): void {
    if (document.visibilityState === "visible") this.now = Date.now();
  }
}

export const clock = new Clock();
