/**
 * The browser's disk (IndexedDB): one database, a few named stores of plain values. Beside it stands
 * the cache in which the service worker leaves what other apps share.
 *
 * Used by identity, outbox, snapshot, drafts and chosen files. Nothing else of the app opens a database.
 */

const NAME = "afield";
/** Raised with every new store. */
const VERSION = 2;

/** What is kept: the key pair and its server; what was known; what waits to be sent; what one prefers; files not sent yet. */
export const STORES = ["identity", "snapshot", "outbox", "settings", "files"] as const;
/** As the service worker names it (`worker/share.ts`). */
export const SHARED_CACHE = "afield-shared";
export type StoreName = (typeof STORES)[number];

let opened: Promise<IDBDatabase> | undefined;

export function get<T>(store: StoreName, key: string): Promise<T | undefined> {
  return run<T | undefined>(store, "readonly", (rows) => rows.get(key));
}

export function all<T>(store: StoreName): Promise<T[]> {
  return run<T[]>(store, "readonly", (rows) => rows.getAll());
}

export function keys(store: StoreName): Promise<string[]> {
  return run<string[]>(store, "readonly", (rows) => rows.getAllKeys());
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
  await globalThis.caches?.delete(SHARED_CACHE);
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
    request.onupgradeneeded = () => addStores(request.result);
    // A tab from before version 2 holds on until it is closed.
    request.onblocked = () => reject(new Error("another tab shows an older Afield: close it, then reload this one"));
    request.onsuccess = () => resolve(givenUpForNewer(request.result));
    request.onerror = () => reject(failureOf(request.error));
  });
  return opened;
}

/** Those that are missing: what an older version kept stays. */
function addStores(database: IDBDatabase): void {
  for (const store of STORES) {
    if (!database.objectStoreNames.contains(store)) database.createObjectStore(store);
  }
}

/** A newer app in another tab does not wait for this one; from then on this one can keep nothing, and says so. */
function givenUpForNewer(database: IDBDatabase): IDBDatabase {
  database.onversionchange = () => {
    database.close();
    opened = undefined;
  };
  return database;
}

function failureOf(error: DOMException | null): Error {
  if (error?.name === "VersionError") return new Error("another tab shows a newer Afield: reload this one");
  return error ?? new Error("the browser's storage can't be opened");
}
