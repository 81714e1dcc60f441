/** Short words about something that was just done. Errors stay until they are put away. */
export interface Toast {
  readonly id: number;
  readonly text?: string;
  readonly error?: unknown;
}

const SHOWN_MS = 5_000;
const SHOWN_MAX = 3;

class Toasts {
  shown = $state.raw<Toast[]>([]);
  #next = 1;

  say(text: string): void {
    const id = this.#add({ text });
    setTimeout(() => this.dismiss(id), SHOWN_MS);
  }

  fail(error: unknown): void {
    this.#add({ error });
  }

  dismiss(id: number): void {
    this.shown = this.shown.filter((toast) => toast.id !== id);
  }

  #add(toast: Omit<Toast, "id">): number {
    const id = this.#next++;
    this.shown = [...this.shown, { id, ...toast }].slice(-SHOWN_MAX);
    return id;
  }
}

export const toasts = new Toasts();
