/** This screen's part in the hand-off: takes the focus, moves it, offers it. One for each app. */
import type { DeviceId, Focus, ReplicaId } from "../generated/protocol";
import { Refusal } from "../identity/failure";
import type { App } from "../state/app.svelte";
import { claimScreen } from "./screen";
import { mayTakeUnasked, type Screen, standing, type Standing } from "./standing";


export class FocusHere {
  /** It was here until another screen took it; until that is put away. */
  wasHere = $state(false);
  readonly #app: App;
  readonly #screen: Promise<ReplicaId>;
  #me = $state.raw<Screen>();

  constructor(app: App) {
    this.#app = app;
    this.#screen = claimScreen();
    void this.#screen.then((screen) => (this.#me = { deviceId: app.identity.deviceId, screen }));
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
    const screen = await this.#screen;
    const from_version = this.#app.world.handoff?.version ?? 0;
    const taken = await this.#app.request("handoff_take", { from_version, screen, ...(focus === undefined ? {} : { focus }) });
    this.#app.learn(taken);
    this.wasHere = false;
    return taken.focus;
  }

  /** Asks a device to go on with this. **Errors**: as `request`. */
  async offer(to: DeviceId, focus?: Focus): Promise<void> {
    if (this.standing.is !== "here" || focus !== undefined) await this.take(focus);
    this.#app.learn(await this.#app.request("handoff_offer", { screen: await this.#screen, to }));
  }
}

const here = new WeakMap<App, FocusHere>();

export function focusHere(app: App): FocusHere {
  const found = here.get(app) ?? new FocusHere(app);
  here.set(app, found);
  return found;
}
