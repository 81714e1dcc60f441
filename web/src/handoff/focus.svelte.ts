/** This screen's part in the hand-off: takes the focus, moves it, offers it. One for each app. */
import type { DeviceId, Focus } from "../generated/protocol";
import { Refusal } from "../identity/failure";
import type { App } from "../state/app.svelte";
import { mayTakeUnasked, type Screen, standing, type Standing } from "./standing";

/** A reload keeps the screen, so that it takes its focus up again; a second tab is another one. */
const KEY = "afield.screen";

export class FocusHere {
  /** It was here until another screen took it; until that is put away. */
  wasHere = $state(false);
  readonly #app: App;
  readonly #me: Screen;

  constructor(app: App) {
    this.#app = app;
    this.#me = { deviceId: app.identity.deviceId, screen: screenId() };
  }

  get standing(): Standing {
    return standing(this.#app.world.handoff, this.#me);
  }

  /** This screen shows something: it has the focus when no other screen does. Safe to call again, as after a reconnect. */
  async show(focus: Focus): Promise<void> {
    if (!mayTakeUnasked(this.standing)) return;
    // Somebody else was faster, or this device may only look: then it stays where it is.
    await this.take(focus).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
    });
  }

  /** Continues on this screen, with what the other one showed unless something else is named. **Errors**: as `request`. */
  async take(focus?: Focus): Promise<Focus> {
    const from_version = this.#app.world.handoff?.version ?? 0;
    const taken = await this.#app.request("handoff_take", { from_version, screen: this.#me.screen, ...(focus === undefined ? {} : { focus }) });
    this.#app.learn(taken);
    this.wasHere = false;
    return taken.focus;
  }

  /** Asks a device to go on with this. **Errors**: as `request`. */
  async offer(to: DeviceId, focus?: Focus): Promise<void> {
    if (this.standing.is !== "here" || focus !== undefined) await this.take(focus);
    this.#app.learn(await this.#app.request("handoff_offer", { screen: this.#me.screen, to }));
  }
}

function screenId(): string {
  const found = sessionStorage.getItem(KEY) ?? crypto.randomUUID();
  sessionStorage.setItem(KEY, found);
  return found;
}

const here = new WeakMap<App, FocusHere>();

export function focusHere(app: App): FocusHere {
  const found = here.get(app) ?? new FocusHere(app);
  here.set(app, found);
  return found;
}
