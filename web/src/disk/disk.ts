/**
 * The browser's disk (IndexedDB): one database, a few named stores of plain values.
 *
 * Used by identity, outbox and snapshot. Nothing else of the app opens a database.
 */

const NAME = "afield";
const VERSION = 1;

/** What is kept: the key pair and its server; what was known; what waits to be sent; what one prefers. */
export const STORES = ["identity", "snapshot", "outbox", "settings"] as const;
export type StoreName = (typeof STORES)[number];

let opened: Promise<IDBDatabase> | undefined;

export function get<T>(store: StoreName, key: string): Promise<T | undefined> {
  return run<T | undefined>(store, "readonly", (rows) => rows.get(key));
}

export function all<T>(store: StoreName): Promise<T[]> {
  return run<T[]>(store, "readonly", (rows) => rows.getAll());
}

/** Resolves once the browser says that it is stored. */
export async function put(store: StoreName, key: string, value: unknown): Promise<void> {
  await run(store, "readwrite", (rows) => rows.put(value, key));
}

export async function remove(store: StoreName, key: string): Promise<void> {
  await run(store, "readwrite", (rows) => rows.delete(key));
}

/** Empties every store: this browser is no device any more. */
export async function forgetEverything(): Promise<void> {
  for (const store of STORES) await run(store, "readwrite", (rows) => rows.clear());
}

async function run<T>(store: StoreName, mode: IDBTransactionMode, ask: (rows: IDBObjectStore) => IDBRequest): Promise<T> {
  const database = await open();
  return new Promise<T>((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = ask(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result as T);
    transaction.onerror = () => reject(transaction.error ?? new Error("the browser's storage failed"));
    transaction.onabort = () => reject(transaction.error ?? new Error("the browser's storage is full or closed"));
  });
}

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => STORES.forEach((store) => request.result.createObjectStore(store));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser's storage can't be opened"));
  });
  return opened;
}
