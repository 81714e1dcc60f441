/** Errors as a person should read them: what happened, its code, and what to do. Pure. */
import { Refusal, Unreachable } from "../identity/failure";
import { LinkLost, NotConnected } from "../link/calls";

export interface Problem {
  readonly message: string;
  /** For `afield explain CODE`. */
  readonly code?: string;
  /** Where the message does not say it already. */
  readonly whatToDo?: string;
  /** Finds it in the server's log. */
  readonly requestId?: string;
}

const ADVICE: Partial<Record<string, string>> = {
  FORBIDDEN: "This device may not do that. A device with the scope admin can change it.",
  UNAUTHORIZED: "Get a new link or code from a device that is paired: afield link, or afield pair.",
  RATE_LIMITED: "Wait a moment and try again.",
  UNAVAILABLE: "Wait a moment and try again.",
  RUNNER_OFFLINE: "Start the runner on that machine, or send it to the queue: it waits there.",
  CONFLICT: "It changed meanwhile. Look at its present state and decide again.",
  INVALID_PATH: "Name a directory that is there, inside one of the directories that machine allows.",
  PROJECT_NESTING: "Use the project that is there, or remove it first.",
  INTERNAL_ERROR: "Look for the request id, under Details, in the server's log.",
};

export function problemOf(error: unknown): Problem {
  if (error instanceof Refusal) {
    const { code, message, request_id: requestId } = error.body;
    const whatToDo = ADVICE[code];
    return { code, message, ...(whatToDo === undefined ? {} : { whatToDo }), ...(requestId === undefined ? {} : { requestId }) };
  }
  if (error instanceof LinkLost) {
    return { message: `The connection went: ${error.message}.`, whatToDo: "Whether it was done is not known. Look once you are connected again." };
  }
  if (error instanceof NotConnected) {
    return { message: `Nothing was sent: ${error.message}.`, whatToDo: "Try again once you are connected." };
  }
  if (error instanceof Unreachable) return { message: "The server does not answer.", whatToDo: "Check that it runs and that this device reaches it." };
  const message = error instanceof Error ? error.message : String(error);
  return { message, whatToDo: "Reload the page; if it happens again, report it with what you did." };
}
