/** Those who want to ask something before there is a connection, each with a time limit. */
import { NotConnected } from "./calls";

export class Waiters {
  readonly #waiting = new Set<(error?: NotConnected) => void>();

  /** Until `letIn`. **Errors**: `NotConnected`, at the latest after the time limit. */
  wait(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: NotConnected) => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
        if (error) reject(error);
        else resolve();
      };
      const timer = setTimeout(() => settle(new NotConnected(`no connection within ${timeoutMs / 1000} s`)), timeoutMs);
      this.#waiting.add(settle);
    });
  }

  letIn(): void {
    for (const settle of [...this.#waiting]) settle();
  }

  sendAway(why: string): void {
    for (const settle of [...this.#waiting]) settle(new NotConnected(why));
  }
}
