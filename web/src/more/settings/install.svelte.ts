/**
 * Putting the app on the home screen. Chrome offers it by an event; elsewhere a person does it.
 *
 * **Optional feature**: without the event there is only the hint.
 */
import { installHint } from "./install-hint";

interface InstallOffer extends Event {
  prompt(): Promise<unknown>;
}

class Install {
  #offer = $state.raw<InstallOffer>();
  readonly #standalone = matchMedia("(display-mode: standalone)").matches;

  /** Listens from the beginning: the offer comes once, early. */
  start(): void {
    addEventListener("beforeinstallprompt", (event) => {
      event.preventDefault();
      this.#offer = event as InstallOffer;
    });
    addEventListener("appinstalled", () => (this.#offer = undefined));
  }

  get possible(): boolean {
    return this.#offer !== undefined;
  }

  get hint(): string | undefined {
    return installHint({ standalone: this.#standalone, offered: this.possible, userAgent: navigator.userAgent });
  }

  async ask(): Promise<void> {
    const offer = this.#offer;
    this.#offer = undefined;
    await offer?.prompt();
  }
}

export const install = new Install();
