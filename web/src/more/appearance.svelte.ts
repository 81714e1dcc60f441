/** How the app looks on this device: kept here, since it belongs to the screen. */
import { type Looks, looksFrom } from "./looks";

const KEY = "afield.appearance";

class Appearance {
  looks = $state.raw<Looks>(looksFrom(undefined));

  /** Before the first picture, so that nothing flashes. */
  apply(): void {
    this.looks = looksFrom(localStorage.getItem(KEY) ?? undefined);
    this.#show();
  }

  set(changed: Partial<Looks>): void {
    this.looks = { ...this.looks, ...changed };
    localStorage.setItem(KEY, JSON.stringify(this.looks));
    this.#show();
  }

  #show(): void {
    const { dataset } = document.documentElement;
    Object.assign(dataset, this.looks);
  }
}

export const appearance = new Appearance();
